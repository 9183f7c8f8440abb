//! Failures of polls and discoveries, with a message that names the place and the remedy.

use std::time::Duration;

use crate::{
    domain::{display::is_unsafe_for_display, reason::Reason, site::Site, traffic::TunnelInstance},
    snapshot::Failure,
    tencent::{
        action::Action,
        error::{ApiError, unknown_key_advice},
        get_monitor_data::GetMonitorData,
        transport::Route,
    },
};

/// The permission to query traffic.
pub const MONITOR_PERMISSION: &str = GetMonitorData::<TunnelInstance>::PERMISSION;

/// What the user can do if Cloud Monitor refuses requests that are not free.
const UNPAID_ADVICE: &str = "this month's free requests may be used up: activate paid requests in Cloud Monitor's console, pay \
                             the account's bill, or set traffic.enabled: false";

/// What the user can do if queries of traffic need too many requests. Other values of `traffic.interval` are not valid.
pub const FEWER_REQUESTS_ADVICE: &str = "set traffic.interval: 5m, fewer traffic.metrics, or filters";

/// The failure for an error of the API. The message has the route and, if a permission is missing, its name.
#[must_use]
pub fn from_error(error: &ApiError, route: &Route, permission: &str) -> Failure {
    let reason = error.reason();
    let place = match error {
        // These messages name their place already.
        ApiError::Api { .. } | ApiError::Credentials(_) => String::new(),
        _ => format!("{route}: "),
    };
    // Messages are printed on terminals, and the API's text may contain anything.
    let message = error.to_string().replace(is_unsafe_for_display, " ");
    let advice = match Site::of(&route.url).filter(|_| error.is_unknown_key()) {
        // The message of the source has this advice already.
        Some(_) if matches!(error, ApiError::Credentials(_)) => String::new(),
        Some(site) => format!("; {}", unknown_key_advice(site)),
        None if error.is_unpaid() => format!("; {UNPAID_ADVICE}"),
        None => advice(reason, permission),
    };
    Failure { reason, message: format!("{place}{message}{advice}") }
}

/// The failure of a poll with this time limit. A last request that waited for less than half of it is not the cause.
pub(super) fn of_poll(error: &ApiError, timeout: Duration, route: &Route, permission: &str) -> Failure {
    match error {
        ApiError::OutOfTime => deadline_passed(timeout, None, route),
        ApiError::CutOff(waited) => {
            deadline_passed(timeout, Some(*waited).filter(|waited| *waited * 2 >= timeout), route)
        }
        _ => from_error(error, route, permission),
    }
}

/// The failure of a query of traffic with this time limit.
pub(super) fn of_query(error: &ApiError, timeout: Duration, route: &Route) -> Failure {
    match error {
        ApiError::OutOfTime | ApiError::CutOff(_) => Failure {
            reason: Reason::Timeout,
            message: format!(
                "{route}: the query of traffic did not finish within {}; if the network is not slow, it has too many requests: \
                 {FEWER_REQUESTS_ADVICE}",
                humantime::format_duration(timeout)
            ),
        },
        _ => from_error(error, route, MONITOR_PERMISSION),
    }
}

/// The failure of a poll that did not end by its deadline. `waited`: how long its last request had waited for a response.
fn deadline_passed(timeout: Duration, waited: Option<Duration>, route: &Route) -> Failure {
    let timeout = humantime::format_duration(timeout);
    let message = match waited {
        None => format!(
            "the poll did not finish within {timeout}; poll.timeout or api.requests_per_second may be too small"
        ),
        Some(waited) => format!(
            "{route}: the poll did not finish within {timeout}: its last request had no response after {}; raise poll.timeout if \
             the API is only slow, else check api.endpoint, the network and any proxy",
            humantime::format_duration(waited)
        ),
    };
    Failure { reason: Reason::Timeout, message }
}

/// What the user can do, for errors that do not say it and do not pass by themselves.
fn advice(reason: Reason, permission: &str) -> String {
    let advice = match reason {
        Reason::Timeout | Reason::Connection => {
            "; check the account's site or api.endpoint, the network and any proxy"
        }
        // One exporter alone stays below Tencent's limit, and api.requests_per_second is mostly above it.
        Reason::Throttled if permission == MONITOR_PERMISSION => {
            return format!(
                "; other programs or replicas share the limit of the account; if this lasts, {FEWER_REQUESTS_ADVICE}"
            );
        }
        Reason::Throttled => "; lower api.requests_per_second if this lasts",
        Reason::Auth => "; check the account's credentials",
        Reason::Unauthorized => {
            let policy = match permission {
                MONITOR_PERMISSION => "deploy/cam-policy-traffic.json",
                _ => "deploy/cam-policy.json",
            };
            return format!(
                "; allow the account's credentials {permission} from this address, as in {policy}"
            );
        }
        Reason::ClockSkew => "; set this machine's clock",
        Reason::UnsupportedRegion => "; check the spelling of the region",
        Reason::MalformedResponse => "; check the account's site or api.endpoint, and any proxy",
        Reason::ServerError | Reason::Credentials | Reason::Refused => "",
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use url::Url;

    use super::*;
    use crate::{
        domain::{proxy::Proxy, tunnel::Tunnel},
        tencent::page::ListedRow,
    };

    fn api_error(code: &str, message: &str) -> ApiError {
        ApiError::Api {
            code: code.into(),
            message: message.into(),
            request_id: "6a9e".into(),
            server_time: None,
        }
    }

    fn message(error: &ApiError) -> String {
        let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
        from_error(error, &Route { url, proxy: None }, Tunnel::PERMISSION).message
    }

    #[test]
    fn connection_failure_names_url_and_remedy() {
        let refused = ApiError::Connection("connection refused".into());
        assert_eq!(
            message(&refused),
            "https://vpc.tencentcloudapi.com/: connection refused; check the account's site or api.endpoint, the network and any proxy"
        );
        let status = ApiError::Status { status: 503, retry_after: None };
        assert_eq!(message(&status), "https://vpc.tencentcloudapi.com/: HTTP status 503");
    }

    #[test]
    fn deadline_names_the_request_that_used_the_time() {
        let cut_off = |milliseconds| {
            let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
            let error = ApiError::CutOff(Duration::from_millis(milliseconds));
            of_poll(&error, Duration::from_secs(4), &Route { url, proxy: None }, Tunnel::PERMISSION).message
        };
        assert_eq!(
            cut_off(3900),
            "https://vpc.tencentcloudapi.com/: the poll did not finish within 4s: its last request had no response after 3s \
             900ms; raise poll.timeout if the API is only slow, else check api.endpoint, the network and any proxy"
        );
        assert_eq!(
            cut_off(300),
            "the poll did not finish within 4s; poll.timeout or api.requests_per_second may be too small"
        );
    }

    #[test]
    fn failure_behind_a_proxy_names_the_proxy() {
        let variables =
            BTreeMap::from([("HTTPS_PROXY".into(), "http://user:hunter2@proxy.example:3128".into())]);
        let proxy = Proxy::from_variables(&variables).expect("a proxy");
        let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
        let refused = ApiError::Connection("connection refused".into());
        assert_eq!(
            from_error(&refused, &Route { url, proxy }, Tunnel::PERMISSION).message,
            "https://vpc.tencentcloudapi.com/ through the proxy http://proxy.example:3128: connection refused; \
             check the account's site or api.endpoint, the network and any proxy"
        );
    }

    #[test]
    fn unknown_key_names_both_sites() {
        let message = message(&api_error("AuthFailure.SecretIdNotFound", "The SecretId is not found."));
        assert!(message.contains("the china site does not know this key"), "{message}");
        assert!(message.contains("set site: international"), "{message}");
    }

    #[test]
    fn refusal_has_the_message_of_the_api() {
        assert_eq!(
            message(&api_error("UnsupportedRegion", "No such region.")),
            "UnsupportedRegion: No such region. (request 6a9e); check the spelling of the region"
        );
    }

    #[test]
    fn throttled_traffic_has_its_own_remedy() {
        let url = Url::parse("https://monitor.tencentcloudapi.com").expect("a URL");
        let error = api_error("RequestLimitExceeded", "Too many requests.");
        let traffic = of_query(&error, Duration::from_mins(5), &Route { url, proxy: None }).message;
        assert!(
            traffic.ends_with("set traffic.interval: 5m, fewer traffic.metrics, or filters"),
            "{traffic}"
        );
        assert!(message(&error).ends_with("lower api.requests_per_second if this lasts"));
    }

    #[test]
    fn message_is_one_line_without_control_characters() {
        assert_eq!(message(&api_error("Refused", "a\r\nb\u{1b}[2J")), "Refused: a  b [2J (request 6a9e)");
    }
}
