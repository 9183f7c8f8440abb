//! `check-config --probe`: calls each account in each region once, and reports what its credentials allow.

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    error::{CommandError, client_error},
    output::{one_line, print, report},
    poll_once::{DISCOVERY_TIMEOUT, discover_regions},
    table::{Cell, RED, table},
};
use crate::{
    config::{AccountConfig, Config},
    domain::{reason::Reason, site::Site, target::Target, tunnel::Tunnel},
    poll::{failure, poller::Assignment},
    tencent::{
        action::{Action, Service, WithServerTime, home_region},
        credentials::source::SourceError,
        describe_regions::DescribeRegions,
        describe_vpn_connections::DescribeVpnConnections,
        error::ApiError,
        page::Page,
        transport::{ClientError, Route},
    },
    wiring::Wiring,
};

pub(super) async fn run(mut wiring: Wiring) -> Result<(), CommandError> {
    let discoveries = wiring.discoveries();
    let mut rows: Vec<ProbeRow> = discover_regions(&mut wiring)
        .await
        .into_iter()
        .map(|(account, error)| ProbeRow {
            account: account.to_string(),
            region: "all".to_owned(),
            route: discoveries[&account].route(Service::REGION, &home_region()),
            discovered: false,
            permission: DescribeRegions::PERMISSION,
            result: Err(error),
            clock_offset: None,
        })
        .collect();
    let plan = wiring.plan();
    rows.extend(join_all(plan.iter().map(|(target, assignment)| probe(target, assignment))).await);
    rows.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    print(probe_table(&rows).as_bytes())?;
    for account in accounts_with_unknown_key(&wiring, &rows) {
        let result = query_other_site(&wiring, account).await.map_err(client_error)?;
        report(format_args!("{}: {result}", account.name));
    }
    if rows.iter().all(ProbeRow::is_ok) { Ok(()) } else { Err(CommandError::AlreadyReported) }
}

/// Accounts with an unknown key, if the API host depends on the account's site (no `api.endpoint`).
fn accounts_with_unknown_key<'a>(wiring: &'a Wiring, rows: &[ProbeRow]) -> Vec<&'a AccountConfig> {
    let Config { api, accounts, .. } = wiring.config();
    let is_unknown = |row: &ProbeRow| row.result.as_ref().is_err_and(ApiError::is_unknown_key);
    let has_unknown_key = |account: &&AccountConfig| {
        rows.iter().any(|row| row.account == account.name.as_str() && is_unknown(row))
    };
    accounts.iter().filter(|_| api.endpoint.is_none()).filter(has_unknown_key).collect()
}

/// Checks whether the other site knows an account's key. Returns a message.
async fn query_other_site(wiring: &Wiring, account: &AccountConfig) -> Result<String, ClientError> {
    let (site, other) = (account.site, account.site.other());
    let there = wiring.at_other_site(account)?;
    let has_site =
        |(target, assignment): &(&Target, &Assignment)| Site::of(&route(target, assignment).url).is_some();
    let (route, result) = match there.discoveries().remove(&account.name) {
        Some(account) => {
            let (region, deadline) = (home_region(), Instant::now() + DISCOVERY_TIMEOUT);
            let result = account.post(&DescribeRegions::VPN, &region, deadline).await;
            (account.route(Service::REGION, &region), result.map(drop))
        }
        None => match there.plan().iter().find(has_site) {
            Some((target, assignment)) => {
                (route(target, assignment), first_page(target, assignment).await.map(drop))
            }
            None => {
                return Ok(format!(
                    "the {other} site was not queried: the account's regions use their own hosts"
                ));
            }
        },
    };
    Ok(match result {
        Err(error) if error.is_unknown_key() => {
            format!("neither the {site} nor the {other} site knows the key; create a new one, or correct it")
        }
        Ok(()) => format!("the {other} site knows the key; set site: {other}"),
        Err(error) if is_known_key(&error) => format!("the {other} site knows the key; set site: {other}"),
        Err(error) => format!("the {other} site did not say whether it knows the key: {route}: {error}"),
    })
}

/// Whether the error shows that the API knows the key: it refuses only the signature or a permission.
fn is_known_key(error: &ApiError) -> bool {
    let ApiError::Api { code, .. } = error else { return false };
    let code = code.exact();
    let refusals =
        ["AuthFailure.SignatureFailure", "AuthFailure.UnauthorizedOperation", "UnauthorizedOperation"];
    refusals.contains(&code) || code.starts_with("UnauthorizedOperation.")
}

/// Requests one tunnel within a poll's time-out. The response also has the number of all tunnels.
async fn first_page(
    target: &Target,
    assignment: &Assignment,
) -> Result<WithServerTime<Page<Tunnel>>, ApiError> {
    let Assignment { account, settings } = assignment;
    let action = DescribeVpnConnections::new(&settings.filters, 0, 1);
    account.post(&action, &target.region, Instant::now() + settings.timeout).await
}

fn route(target: &Target, assignment: &Assignment) -> Route {
    assignment.account.route(Service::VPC, &target.region)
}

/// Calls one target, and reports a failure.
async fn probe(target: &Target, assignment: &Assignment) -> ProbeRow {
    let result = first_page(target, assignment).await;
    let server_time = match &result {
        Ok(response) => response.server_time,
        Err(ApiError::Api { server_time, .. }) => *server_time,
        Err(_) => None,
    };
    let row = ProbeRow {
        account: target.account.to_string(),
        region: target.region.to_string(),
        route: route(target, assignment),
        discovered: assignment.settings.discovered,
        permission: DescribeVpnConnections::PERMISSION,
        result: result.map(|response| response.value.total_count),
        clock_offset: server_time.map(|time| time.duration_since(Timestamp::now()).as_secs()),
    };
    if let (Err(error), false) = (&row.result, row.is_ok()) {
        report(format_args!("{target}: {}", failure::from_error(error, &row.route, row.permission).message));
    }
    row
}

/// One call and its result.
#[derive(Debug)]
struct ProbeRow {
    account: String,
    region: String,
    route: Route,
    /// Whether the region was discovered, not configured.
    discovered: bool,
    permission: &'static str,
    /// The number of tunnels.
    result: Result<u64, ApiError>,
    /// The API's clock minus the local clock, in seconds.
    clock_offset: Option<i64>,
}

impl ProbeRow {
    /// A discovered region without VPN is not polled, so it is not a failure.
    fn is_ok(&self) -> bool {
        match &self.result {
            Ok(_) => true,
            Err(error) => self.discovered && error.reason() == Reason::UnsupportedRegion,
        }
    }

    /// Whether the API responded.
    fn reachable(&self) -> &'static str {
        match &self.result {
            Ok(_) | Err(ApiError::Api { .. }) => "yes",
            Err(ApiError::Credentials(_)) => "not called",
            Err(_) => "no",
        }
    }

    /// Whether the credentials allow listing tunnels; the reason if not.
    fn may_list(&self) -> String {
        let Err(error) = &self.result else { return "yes".to_owned() };
        let obstacle = match (error.reason(), error) {
            (Reason::Unauthorized, ApiError::Api { code, .. }) if code.exact().starts_with("Ip") => {
                "this address is not allowed"
            }
            (_, ApiError::Credentials(SourceError::Refused { permission, .. })) => {
                return format!("no: {permission} is missing");
            }
            (Reason::Unauthorized, _) => return format!("no: {} is missing", self.permission),
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
}

fn probe_table(rows: &[ProbeRow]) -> String {
    let header = ["ACCOUNT", "REGION", "REACHABLE", "ENDPOINT", "MAY LIST", "TUNNELS", "CLOCK"];
    let rows = rows.iter().map(|row| {
        let tunnels = row.result.as_ref().map_or("-".to_owned(), u64::to_string);
        [
            Cell::new(one_line(&row.account)),
            Cell::new(&*row.region),
            Cell::new(row.reachable()),
            Cell::new(row.route.url.authority()),
            if row.is_ok() { Cell::new(row.may_list()) } else { Cell::styled(row.may_list(), RED) },
            Cell::new(tunnels),
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
mod tests {
    use url::Url;

    use super::*;

    fn row(result: Result<u64, ApiError>) -> ProbeRow {
        let url = Url::parse("https://vpc.tencentcloudapi.com").expect("a URL");
        let route = Route { url, proxy: None };
        let permission = DescribeVpnConnections::PERMISSION;
        let (account, region) = ("main".to_owned(), "eu".to_owned());
        ProbeRow { account, region, route, discovered: false, permission, result, clock_offset: None }
    }

    fn refused(code: &str) -> Result<u64, ApiError> {
        let (message, request_id) = (String::new(), String::new());
        Err(ApiError::Api { code: code.into(), message, request_id, server_time: None })
    }

    #[test]
    fn probe_row_names_each_failure() {
        let table = [
            (Ok(3), "yes", "yes"),
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
        for (result, reachable, may_list) in table {
            let row = row(result);
            assert_eq!((row.reachable(), &*row.may_list()), (reachable, may_list), "{row:?}");
        }
    }

    #[test]
    fn refusal_of_a_known_key_shows_its_site() {
        let is_known = |code: &str| is_known_key(&refused(code).expect_err(code));
        for code in
            ["AuthFailure.SignatureFailure", "UnauthorizedOperation", "UnauthorizedOperation.NoPermission"]
        {
            assert!(is_known(code), "{code}");
        }
        for code in
            ["InternalError", "RequestLimitExceeded", "IpNotInWhitelist", "AuthFailure.InvalidSecretId"]
        {
            assert!(!is_known(code), "{code}");
        }
    }

    #[test]
    fn clock_offset_of_a_second_is_ignored() {
        assert_eq!([-1, 0, 1, 2, -600].map(clock), ["0 s", "0 s", "0 s", "+2 s", "-600 s"]);
    }
}
