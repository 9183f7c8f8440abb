//! Why a poll failed, told so that whoever reads it knows where to look and what to do.

use std::time::Duration;

use url::Url;

use crate::{
    domain::{Reason, is_deceptive},
    snapshot::Failure,
    tencent::ApiError,
};

/// The failure that an error of the API at `url` is to a poll, or to a look-up of regions, which needs `permission`.
#[must_use]
pub fn from_error(error: &ApiError, url: &Url, permission: &str) -> Failure {
    let reason = error.reason();
    let place = match error {
        // The API's own words, and those of a source of credentials, say whose they are.
        ApiError::Api { .. } | ApiError::Credentials(_) => String::new(),
        _ => format!("{url}: "),
    };
    // Words from outside are printed on terminals too.
    let words = error.to_string().replace(is_deceptive, " ");
    Failure { reason, message: format!("{place}{words}{}", advice(reason, permission)) }
}

/// The failure of a poll that had not ended by its deadline.
pub(super) fn deadline_passed(timeout: Duration) -> Failure {
    let timeout = humantime::format_duration(timeout);
    let message = format!(
        "the poll was not done within {timeout}; poll.timeout or api.requests_per_second may be too small"
    );
    Failure { reason: Reason::Timeout, message }
}

/// What to do, where neither the error itself says it nor waiting does it.
fn advice(reason: Reason, permission: &str) -> String {
    let advice = match reason {
        Reason::Timeout | Reason::Connection => "; check api.endpoint, the network and any proxy",
        Reason::Throttled => "; lower api.requests_per_second if this lasts",
        Reason::Auth => "; check the account's credentials",
        Reason::Unauthorized => {
            return format!("; allow the account's credentials {permission} from this address");
        }
        Reason::ClockSkew => "; set this machine's clock",
        Reason::UnsupportedRegion => "; check the spelling of the region",
        Reason::MalformedAnswer => "; check api.endpoint and any proxy",
        Reason::ServerError | Reason::Credentials | Reason::Refused => "",
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tencent::vpn::PERMISSION;

    fn api_error(code: &str, message: &str) -> ApiError {
        let [code, message] = [code, message].map(str::to_owned);
        ApiError::Api { code, message, request_id: "6a9e".into(), server_time: None }
    }

    fn message(error: &ApiError) -> String {
        let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
        from_error(error, &url, PERMISSION).message
    }

    #[test]
    fn a_broken_way_to_the_api_is_told_with_its_end_and_what_to_check() {
        let refused = ApiError::Connection("connection refused".into());
        assert_eq!(
            message(&refused),
            "https://vpc.tencentcloudapi.com/: connection refused; check api.endpoint, the network and any proxy"
        );
        let status = ApiError::Status { status: 503, retry_after: None };
        assert_eq!(message(&status), "https://vpc.tencentcloudapi.com/: HTTP status 503");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api_with_what_to_check() {
        assert_eq!(
            message(&api_error("UnsupportedRegion", "No such region.")),
            "UnsupportedRegion: No such region. (request 6a9e); check the spelling of the region"
        );
    }

    #[test]
    fn words_from_outside_are_one_line_that_rules_no_terminal() {
        assert_eq!(message(&api_error("Refused", "a\r\nb\u{1b}[2J")), "Refused: a  b [2J (request 6a9e)");
    }
}
