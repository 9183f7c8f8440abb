//! Credentials that expire after seconds, and renewals that fail.

use std::{iter, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use simulator::{Entry, Fault, FaultKind, Options};
use tencentcloud_vpn_exporter::{
    domain::{reason::Reason, target::Target},
    poll::poller::{Assignment, Settings, poll},
    snapshot::TargetSnapshot,
    tencent::{
        account::Account,
        credentials::{cache::CredentialCache, source::Source},
        error::ApiError,
    },
};
use test_support::with_timeout;
use tokio::time::Instant;

use super::setup::{DEADLINE, RunningSimulator, WEB_TOKEN, account_name, cache, file, options, region};

/// A simulator whose temporary credentials expire after this many seconds, and whose responses are delayed.
async fn start_with_short_tokens(seconds: u64) -> RunningSimulator {
    let token_lifetime = Some(Duration::from_secs(seconds));
    RunningSimulator::start(Options { token_lifetime, latency: Duration::from_millis(20), ..options() }).await
}

/// Calls the API continuously until the source has sent this number of requests. No call may fail, unless the test
/// itself is delayed until the token expires.
async fn call_until(api: &RunningSimulator, source: impl Source + 'static, action: &str, times: usize) {
    let cache = cache(source);
    let calls = async {
        while api.count(action) < times {
            let start = Instant::now();
            let credentials = cache.current().await.expect("credentials");
            if let Err(error) = api.list(&credentials).await {
                assert!(start.elapsed() > Duration::from_millis(200), "{error}");
            }
        }
    };
    with_timeout(calls).await;
}

#[tokio::test]
async fn role_is_assumed_again_in_time() {
    let api = start_with_short_tokens(2).await;
    call_until(&api, api.assumed(), "AssumeRole", 4).await;
}

#[tokio::test]
async fn instance_role_is_loaded_again_in_time() {
    let api = start_with_short_tokens(2).await;
    call_until(&api, api.instance_role(), "MetadataCredentials", 4).await;
}

#[tokio::test]
async fn pod_identity_is_renewed_in_time() {
    let api = start_with_short_tokens(2).await;
    let (_folder, token) = file(WEB_TOKEN);
    let pod = api.workload_identity(&token, &[]);
    call_until(&api, pod, "AssumeRoleWithWebIdentity", 4).await;
}

fn assignment(account: Account) -> Assignment {
    let settings = Settings {
        filters: vec![],
        interval: DEADLINE,
        timeout: DEADLINE,
        stale_after: DEADLINE,
        discovered: false,
        tag_labels: vec![],
        gateways_interval: None,
        traffic: None,
    };
    Assignment { account: Arc::new(account), settings }
}

fn target() -> Target {
    Target { account: account_name(), region: region() }
}

#[tokio::test]
async fn renewal_during_a_listing_fails_no_poll() {
    let api = RunningSimulator::start(Options {
        regions: vec![(region().to_string(), 2000)],
        token_lifetime: Some(Duration::from_secs(6)),
        ..options()
    })
    .await;
    // The 20 pages take 6 s at least. The credentials are renewed after 4.8 s at the latest.
    let assignment = assignment(api.account_with_rate(3.0));
    let (after, _) = with_timeout(poll(&assignment, &TargetSnapshot::new(target()))).await;
    assert_eq!((after.is_up(), after.tunnels().len()), (Some(true), 2000), "{:?}", after.last_poll);
    let journal = api.control.journal();
    let listing = journal.iter().filter(|entry| entry.action == "DescribeVpnConnections");
    let mut ids: Vec<_> = listing.map(|entry| &entry.secret_id).collect();
    ids.dedup();
    assert!(ids.len() > 1, "the listing ended before its credentials were renewed");
}

#[tokio::test]
async fn failed_renewal_is_reported_after_expiry() {
    let api = start_with_short_tokens(4).await;
    let cache = cache(api.assumed());
    cache.current().await.expect("credentials");
    let start = Instant::now();
    let fails = Fault::new(FaultKind::Error { code: "InternalError.DbError".to_owned() });
    let fails = Fault { action: Some("AssumeRole".to_owned()), ..fails };
    api.control.set_faults(vec![fails]).expect("a fault");
    let error = with_timeout(async {
        loop {
            let credentials = match cache.current().await {
                Ok(credentials) => credentials,
                Err(error) => break error,
            };
            // A request sent just before the expiry can arrive after it.
            if let Err(error) = api.list(&credentials).await {
                assert_eq!(error.reason(), Reason::Auth);
                break cache.renew(&credentials).await.expect_err("a failure");
            }
        }
    })
    .await;
    assert!(start.elapsed() >= Duration::from_millis(2900), "failed after {:?}", start.elapsed());
    assert_eq!(error.reason(), Reason::Credentials);
    let message = error.to_string();
    assert!(message.starts_with("credentials: sts:AssumeRole of the role qcs::cam::uin/"), "{message}");
    assert!(message.contains("InternalError.DbError: ") && message.contains("(request "), "{message}");
    let tries = api.count("AssumeRole");
    assert!(tries >= 2, "the renewal was not retried");

    api.control.set_faults(vec![]).expect("no fault");
    let recovered = async {
        while cache.current().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    with_timeout(recovered).await;
    let credentials = cache.current().await.expect("credentials");
    api.list(&credentials).await.expect("a listing");
    assert!(api.count("AssumeRole") <= tries + 2);
}

#[tokio::test]
async fn failing_source_does_not_affect_another() {
    let api = RunningSimulator::start(options()).await;
    api.control.forbid(&api.control.accounts()[0].number, "AssumeRole").expect("an account");
    let (failing, other) = (cache(api.assumed()), cache(api.environment(1)));
    assert!(matches!(failing.current().await, Err(ApiError::Credentials(_))));
    let credentials = other.current().await.expect("credentials");
    api.list(&credentials).await.expect("a listing");
}

#[tokio::test]
async fn thousand_refused_callers_renew_once() {
    let api = RunningSimulator::start(options()).await;
    let cache = cache(api.assumed());
    let before = join_all(iter::repeat_with(|| cache.current()).take(1000)).await;
    assert_eq!(api.count("AssumeRole"), 1);
    api.control.revoke_tokens();
    let refused = before[0].clone().expect("credentials");
    let error = api.list(&refused).await.expect_err("revoked credentials");
    assert_eq!(error.reason(), Reason::Auth);
    let renewals = join_all(iter::repeat_with(|| cache.renew(&refused)).take(1000)).await;
    assert!(renewals.iter().all(|others| *others == Ok(true)));
    let after = join_all(iter::repeat_with(|| cache.current()).take(1000)).await;
    assert_eq!(api.count("AssumeRole"), 2);
    api.list(after[999].as_ref().expect("credentials")).await.expect("a listing");
}

#[tokio::test]
async fn reported_expiry_is_that_of_the_service() {
    let api = RunningSimulator::start(options()).await;
    let (sender, mut ends) = tokio::sync::watch::channel(None);
    let cache = CredentialCache::new(account_name(), api.assumed(), fastrand::f64, move |end| {
        sender.send_replace(end);
    });
    cache.current().await.expect("credentials");
    let end = ends.borrow_and_update().expect("an end");
    let seconds = end.duration_since(Timestamp::now()).as_secs();
    assert!((7190..=7200).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn revocation_during_a_listing_fails_no_poll() {
    let api =
        RunningSimulator::start(Options { regions: vec![(region().to_string(), 2000)], ..options() }).await;
    let assignment = assignment(api.account());
    let pages = |count: usize| {
        let control = api.control.clone();
        async move {
            let listings = |entries: &[Entry]| entries.iter().filter(|entry| entry.offset.is_some()).count();
            control.until(|entries| listings(entries) >= count).await;
            control.revoke_tokens();
        }
    };
    let before = TargetSnapshot::new(target());
    let ((after, _), ()) = with_timeout(async { tokio::join!(poll(&assignment, &before), pages(5)) }).await;
    assert_eq!((after.is_up(), after.tunnels().len()), (Some(true), 2000), "{:?}", after.last_poll);
    assert_eq!(api.count("AssumeRole"), 2);
    let journal = api.control.journal();
    assert!(journal.iter().any(|entry| entry.error.as_deref() == Some("AuthFailure.TokenFailure")));
}
