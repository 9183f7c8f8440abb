//! All calls of an account share its rate limit, its clock correction and its counters, also those to STS.

use std::sync::Arc;

use simulator::{Fault, FaultKind};
use tencentcloud_vpn_exporter::{
    domain::endpoint::Endpoint,
    tencent::{
        caller::Caller,
        credentials::{assumed_role::AssumedRole, source::Source, sts::Sts},
    },
};

use super::setup::{RunningSimulator, account_name, options, rate, region, telemetry};

#[tokio::test]
async fn sts_requests_share_the_account_rate_limit() {
    let api = RunningSimulator::start(options()).await;
    let telemetry = telemetry();
    let endpoint = Endpoint::new(api.url.as_str()).expect("an endpoint");
    let caller = Caller::new(account_name(), endpoint, api.client.clone(), rate(4.0), telemetry.clone());
    let sts = Sts { caller: Arc::new(caller), region: region() };
    let source = AssumedRole { sts, ..api.assumed() };
    let loads = futures_util::future::join_all((0..4).map(|_| source.load())).await;
    assert!(loads.iter().all(Result::is_ok));
    // At most two requests are sent at once. The third waits for a quarter of a second, the fourth for half a second.
    assert!(telemetry.throttle.get() > 0.5, "{} s", telemetry.throttle.get());
}

#[tokio::test]
async fn sts_keeps_the_corrected_clock() {
    let api = RunningSimulator::start(options()).await;
    api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds: 4000 })]).expect("a fault");
    for requests in [2, 3] {
        api.assumed().load().await.expect("credentials");
        assert_eq!(api.count("AssumeRole"), requests);
    }
}

#[tokio::test]
async fn failed_sts_request_is_not_repeated() {
    let api = RunningSimulator::start(options()).await;
    let status = FaultKind::Status { status: 503, retry_after: None };
    api.control.set_faults(vec![Fault::new(status)]).expect("a fault");
    api.assumed().load().await.expect_err("no credentials");
    assert_eq!(api.count("AssumeRole"), 1, "the cache decides when to retry");
}
