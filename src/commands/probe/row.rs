//! The table of `check-config --probe`: what each account may do in each region.

use crate::{
    commands::{
        output::one_line,
        table::{Cell, RED, YELLOW, table},
    },
    domain::reason::Reason,
    tencent::{
        action::WithServerTime,
        credentials::source::SourceError,
        error::ApiError,
        page::{ListedRow, Page},
        transport::Route,
    },
};

/// What an account may do in a region.
#[derive(Debug)]
pub(super) struct ProbeRow {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) route: Route,
    /// Whether the region was discovered, not configured.
    pub(super) discovered: bool,
    pub(super) tunnels: Call,
    pub(super) gateways: Call,
    pub(super) customer_gateways: Call,
    /// One request for the traffic of one tunnel.
    pub(super) traffic: Call,
    /// The API's clock minus the local clock, in seconds.
    pub(super) clock_offset: Option<i64>,
}

/// One call and its result.
#[derive(Debug)]
pub(super) enum Call {
    /// The configuration disables it.
    Off,
    /// It was not sent, because an earlier call failed.
    Skipped,
    /// It has ended.
    Ended {
        /// What a policy must allow for it.
        permission: &'static str,
        /// The number of rows; `None` if the call lists nothing.
        result: Result<Option<u64>, ApiError>,
    },
}

impl Call {
    /// A call that has ended with a page of rows.
    pub(super) fn ended<R: ListedRow>(result: Result<WithServerTime<Page<R>>, ApiError>) -> Self {
        let result = result.map(|response| Some(response.value.total_count));
        Self::Ended { permission: R::PERMISSION, result }
    }

    /// The number of rows of a listing; `None` if it was not called or failed.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Ended { result: Ok(count), .. } => count.and_then(|count| usize::try_from(count).ok()),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> Option<&ApiError> {
        match self {
            Self::Ended { result: Err(error), .. } => Some(error),
            Self::Ended { result: Ok(_), .. } | Self::Off | Self::Skipped => None,
        }
    }

    /// Whether it failed because its permission is missing.
    pub(super) fn is_permission_missing(&self) -> bool {
        self.error().is_some_and(|error| {
            let is_of_api = matches!(error, ApiError::Api { .. });
            is_of_api && error.reason() == Reason::Unauthorized && !is_refused_address(error)
        })
    }

    /// The number of rows, or why there is none.
    fn text(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::Skipped => "-".to_owned(),
            Self::Ended { result: Ok(Some(count)), .. } => count.to_string(),
            Self::Ended { result: Ok(None), .. } => "yes".to_owned(),
            Self::Ended { permission, result: Err(error) } => obstacle(error, permission),
        }
    }
}

/// Whether the API does not accept requests from this machine's address.
fn is_refused_address(error: &ApiError) -> bool {
    matches!(error, ApiError::Api { code, .. } if code.exact().starts_with("Ip"))
}

/// Why a call is not allowed, or that this is unknown.
fn obstacle(error: &ApiError, permission: &str) -> String {
    let obstacle = match (error.reason(), error) {
        (Reason::Unauthorized, error) if is_refused_address(error) => "this address is not allowed",
        (_, ApiError::Credentials(SourceError::Refused { permission, .. })) => {
            return format!("no: {permission} is missing");
        }
        (Reason::Unauthorized, _) => return format!("no: {permission} is missing"),
        (Reason::Auth, _) => "the credentials are refused",
        (Reason::Credentials, _) => "there are no credentials",
        (Reason::ClockSkew, _) => "the clock difference is too large",
        (Reason::UnsupportedRegion, _) => "the region has no VPN",
        (Reason::Refused, _) => "the request is refused",
        (
            Reason::Timeout
            | Reason::Connection
            | Reason::Throttled
            | Reason::ServerError
            | Reason::MalformedResponse,
            _,
        ) => return "unknown".to_owned(),
    };
    format!("no: {obstacle}")
}

impl ProbeRow {
    /// Whether no call failed. A missing permission for gateways or traffic is reported, but is no failure: tunnels do not need
    /// it.
    pub(super) fn is_ok(&self) -> bool {
        let others = [&self.gateways, &self.customer_gateways, &self.traffic];
        self.is_without_vpn()
            || self.tunnels.error().is_none()
                && others.iter().all(|call| call.error().is_none() || call.is_permission_missing())
    }

    /// Whether it is a discovered region without VPN. Such a region is not polled, so it is not a failure.
    pub(super) fn is_without_vpn(&self) -> bool {
        let is_unsupported = |error: &ApiError| error.reason() == Reason::UnsupportedRegion;
        self.discovered && self.tunnels.error().is_some_and(is_unsupported)
    }

    /// Whether the API responded.
    fn reachable(&self) -> &'static str {
        match self.tunnels.error() {
            None | Some(ApiError::Api { .. }) => "yes",
            Some(ApiError::Credentials(_)) => "not called",
            Some(_) => "no",
        }
    }

    fn tunnels_cell(&self) -> Cell {
        let text = self.tunnels.text();
        match self.tunnels.error() {
            Some(_) if !self.is_without_vpn() => Cell::styled(text, RED),
            _ => Cell::new(text),
        }
    }
}

fn optional_cell(call: &Call) -> Cell {
    match call.error() {
        Some(_) if call.is_permission_missing() => Cell::styled(call.text(), YELLOW),
        Some(_) => Cell::styled(call.text(), RED),
        None => Cell::new(call.text()),
    }
}

pub(super) fn probe_table(rows: &[ProbeRow]) -> String {
    let header = [
        "ACCOUNT",
        "REGION",
        "REACHABLE",
        "ENDPOINT",
        "TUNNELS",
        "GATEWAYS",
        "CUSTOMER GATEWAYS",
        "TRAFFIC",
        "CLOCK",
    ];
    let rows = rows.iter().map(|row| {
        [
            Cell::new(one_line(&row.account)),
            Cell::new(&*row.region),
            Cell::new(row.reachable()),
            Cell::new(row.route.url.authority()),
            row.tunnels_cell(),
            optional_cell(&row.gateways),
            optional_cell(&row.customer_gateways),
            optional_cell(&row.traffic),
            Cell::new(row.clock_offset.map_or("-".to_owned(), clock)),
        ]
    });
    table(header, rows)
}

/// The API's clock minus the local clock. `Date` has a resolution of one second, so a difference of one second is ignored.
fn clock(offset: i64) -> String {
    match offset {
        -1..=1 => "0 s".to_owned(),
        _ => format!("{offset:+} s"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use url::Url;

    use super::*;

    pub(in super::super) fn refused(code: &str) -> ApiError {
        let (message, request_id) = (String::new(), String::new());
        ApiError::Api { code: code.into(), message, request_id, server_time: None }
    }

    fn call(permission: &'static str, result: Result<u64, ApiError>) -> Call {
        Call::Ended { permission, result: result.map(Some) }
    }

    fn row(tunnels: Result<u64, ApiError>, gateways: Call) -> ProbeRow {
        let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
        ProbeRow {
            account: "main".to_owned(),
            region: "eu".to_owned(),
            route: Route { url, proxy: None },
            discovered: false,
            tunnels: call("vpc:DescribeVpnConnections", tunnels),
            gateways,
            customer_gateways: call("vpc:DescribeCustomerGateways", Ok(0)),
            traffic: Call::Ended { permission: "monitor:GetMonitorData", result: Ok(None) },
            clock_offset: None,
        }
    }

    #[test]
    fn probe_row_names_each_failure() {
        let refused = |code| Err(refused(code));
        let table = [
            (Ok(3), "yes", "3"),
            (refused("UnauthorizedOperation"), "yes", "no: vpc:DescribeVpnConnections is missing"),
            (refused("IpNotInWhitelist"), "yes", "no: this address is not allowed"),
            (refused("AuthFailure.SignatureFailure"), "yes", "no: the credentials are refused"),
            (refused("AuthFailure.SignatureExpire"), "yes", "no: the clock difference is too large"),
            (refused("UnsupportedRegion"), "yes", "no: the region has no VPN"),
            (refused("InvalidParameter"), "yes", "no: the request is refused"),
            (refused("InternalError"), "yes", "unknown"),
            (
                Err(ApiError::Credentials(SourceError::Absent("none".into()))),
                "not called",
                "no: there are no credentials",
            ),
            (
                Err(ApiError::Credentials(SourceError::Refused {
                    permission: "sts:AssumeRole".into(),
                    problem: String::new(),
                })),
                "not called",
                "no: sts:AssumeRole is missing",
            ),
            (Err(ApiError::Connection("refused".into())), "no", "unknown"),
            (Err(ApiError::Status { status: 502, retry_after: None }), "no", "unknown"),
        ];
        for (result, reachable, text) in table {
            let is_ok = result.is_ok();
            let row = row(result, Call::Off);
            assert_eq!(
                (row.reachable(), &*row.tunnels.text(), row.is_ok()),
                (reachable, text, is_ok),
                "{row:?}"
            );
        }
    }

    #[test]
    fn only_missing_gateway_permissions_are_no_failure() {
        let permission = "vpc:DescribeVpnGateways";
        let gateways = |code| call(permission, Err(refused(code)));
        let table = [
            (Call::Off, "off", true),
            (Call::Skipped, "-", true),
            (call(permission, Ok(12)), "12", true),
            (gateways("UnauthorizedOperation"), "no: vpc:DescribeVpnGateways is missing", true),
            (gateways("UnauthorizedOperation.NoPermission"), "no: vpc:DescribeVpnGateways is missing", true),
            (gateways("IpNotInWhitelist"), "no: this address is not allowed", false),
            (gateways("InternalError"), "unknown", false),
            (gateways("InvalidParameter"), "no: the request is refused", false),
        ];
        for (gateways, text, is_ok) in table {
            let row = row(Ok(1), gateways);
            assert_eq!((&*row.gateways.text(), row.is_ok()), (text, is_ok), "{row:?}");
        }
    }

    #[test]
    fn clock_offset_of_a_second_is_ignored() {
        assert_eq!([-1, 0, 1, 2, -600].map(clock), ["0 s", "0 s", "0 s", "+2 s", "-600 s"]);
    }
}
