//! `check-config --probe`: calls each account in each region once for each permission, and reports what its credentials allow.

mod estimate;
mod row;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use self::{
    estimate::print_estimates,
    row::{Call, ProbeRow, probe_table},
};
use super::{
    error::{CommandError, client_error},
    output::{print, report},
    poll_once::{DISCOVERY_TIMEOUT, discover_regions},
};
use crate::{
    config::{AccountConfig, Config},
    domain::{
        customer_gateway::CustomerGateway, gateway::Gateway, site::Site, target::Target, tunnel::Tunnel,
    },
    poll::{
        failure::{self, MONITOR_PERMISSION},
        gateways::applicable,
        poller::Assignment,
        traffic::query::query_one,
    },
    tencent::{
        action::{Action, Service, WithServerTime, home_region},
        describe_regions::DescribeRegions,
        error::ApiError,
        page::{Describe, ListedRow, Page},
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
            tunnels: Call::Ended { permission: DescribeRegions::PERMISSION, result: Err(error) },
            gateways: Call::Skipped,
            customer_gateways: Call::Skipped,
            traffic: Call::Skipped,
            clock_offset: None,
        })
        .collect();
    let plan = wiring.plan();
    rows.extend(join_all(plan.iter().map(|(target, assignment)| probe(target, assignment))).await);
    rows.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    print(probe_table(&rows).as_bytes())?;
    print_estimates(&wiring, &rows)?;
    for account in accounts_with_unknown_key(&wiring, &rows) {
        let result = query_other_site(&wiring, account).await.map_err(client_error)?;
        report(format_args!("{}: {result}", account.name));
    }
    if rows.iter().all(ProbeRow::is_ok) { Ok(()) } else { Err(CommandError::AlreadyReported) }
}

/// Accounts with an unknown key, if the API host depends on the account's site (no `api.endpoint`).
fn accounts_with_unknown_key<'a>(wiring: &'a Wiring, rows: &[ProbeRow]) -> Vec<&'a AccountConfig> {
    let Config { api, accounts, .. } = wiring.config();
    let is_unknown = |row: &ProbeRow| row.tunnels.error().is_some_and(ApiError::is_unknown_key);
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
                (route(target, assignment), first_page::<Tunnel>(target, assignment).await.map(drop))
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

/// Requests one row within a poll's time-out. The response also has the number of all rows.
async fn first_page<R: ListedRow>(
    target: &Target,
    assignment: &Assignment,
) -> Result<WithServerTime<Page<R>>, ApiError> {
    let Assignment { account, settings } = assignment;
    let filters = applicable::<R>(&settings.filters);
    let action = Describe::<R>::new(&filters, 0, 1);
    account.post(&action, &target.region, Instant::now() + settings.timeout).await
}

fn route(target: &Target, assignment: &Assignment) -> Route {
    assignment.account.route(Service::VPC, &target.region)
}

/// Calls one target, and reports failures. Gateways are called only if the API accepts the credentials, so that one cause is
/// reported once.
async fn probe(target: &Target, assignment: &Assignment) -> ProbeRow {
    let result = first_page::<Tunnel>(target, assignment).await;
    let server_time = match &result {
        Ok(response) => response.server_time,
        Err(ApiError::Api { server_time, .. }) => *server_time,
        Err(_) => None,
    };
    let clock_offset = server_time.map(|time| time.duration_since(Timestamp::now()).as_secs());
    let tunnel = result.as_ref().ok().and_then(|response| response.value.rows.first()).cloned();
    let tunnels = Call::ended(result);
    let (gateways, customer_gateways) = if tunnels.error().is_some() && !tunnels.is_permission_missing() {
        (Call::Skipped, Call::Skipped)
    } else if assignment.settings.gateways_interval.is_none() {
        (Call::Off, Call::Off)
    } else {
        tokio::join!(call::<Gateway>(target, assignment), call::<CustomerGateway>(target, assignment))
    };
    let traffic = match (&assignment.settings.traffic, tunnel) {
        (None, _) => Call::Off,
        // Without a tunnel there is nothing to query.
        (Some(_), None) => Call::Skipped,
        (Some(settings), Some(tunnel)) => {
            let result = query_one(assignment, settings, target, &tunnel).await;
            Call::Ended { permission: MONITOR_PERMISSION, result: result.map(|()| None) }
        }
    };
    let row = ProbeRow {
        account: target.account.to_string(),
        region: target.region.to_string(),
        route: route(target, assignment),
        discovered: assignment.settings.discovered,
        tunnels,
        gateways,
        customer_gateways,
        traffic,
        clock_offset,
    };
    report_failures(target, assignment, &row);
    row
}

async fn call<R: ListedRow>(target: &Target, assignment: &Assignment) -> Call {
    Call::ended(first_page::<R>(target, assignment).await)
}

fn report_failures(target: &Target, assignment: &Assignment, row: &ProbeRow) {
    if row.is_without_vpn() {
        return;
    }
    let of_vpc = [&row.tunnels, &row.gateways, &row.customer_gateways].map(|call| (call, Service::VPC, ""));
    let of_traffic = (&row.traffic, Service::MONITOR, "traffic cannot be queried: ");
    for (call, service, problem) in of_vpc.into_iter().chain([of_traffic]) {
        if let Call::Ended { permission, result: Err(error) } = call {
            let route = assignment.account.route(service, &target.region);
            let failure = failure::from_error(error, &route, permission);
            report(format_args!("{target}: {problem}{}", failure.message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_a_known_key_shows_its_site() {
        let is_known = |code: &str| is_known_key(&row::tests::refused(code));
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
}
