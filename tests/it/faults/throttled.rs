//! More requests than the API's limit or the exporter's own limit allows.

use simulator::{Credentials, Options};

use test_support::{
    Api, frozen,
    scene::{FRANKFURT, GUANGZHOU, Scene},
};

fn account(api: &Api, name: &str, credentials: &Credentials) -> String {
    let first = api.control.credentials();
    api.account(name, &[GUANGZHOU])
        .replace(&first.secret_id, &credentials.secret_id)
        .replace(&first.secret_key, &credentials.secret_key)
}

#[tokio::test]
async fn throttled_account_delays_no_other() {
    let world = Options { requests_per_second: 10, accounts: 2, ..frozen(&[(GUANGZHOU, 2), (FRANKFURT, 2)]) };
    let poll = "interval: 250ms, timeout: 30s, stale_after: 1h";
    let scene = Scene::start_with(world, |api| {
        // The API sees six of these as one account; the exporter polls them separately.
        let [first, second] = [0, 1].map(|number| &api.control.accounts()[number].credentials);
        let mut accounts: Vec<_> =
            (0..6).map(|number| account(api, &format!("same-{number}"), first)).collect();
        accounts.push(account(api, "other", second));
        api.config_for(&accounts.iter().map(|text| &**text).collect::<Vec<_>>(), poll)
    })
    .await;
    let throttled = [("reason", "throttled")];
    let metrics = scene
        .daemon
        .until(|metrics| {
            metrics.all("polls_total", &[]).filter(|sample| sample.value >= 4.0).count() == 7
                && metrics.sum("api_request_failures_total", &throttled) >= 5.0
        })
        .await;
    // An account that is throttled for long enough may lose a poll; the other one never does.
    assert_eq!(metrics.value("up", &[("account", "other")]), Some(1.0));
    assert_eq!(metrics.sum("poll_failures_total", &[("account", "other")]), 0.0, "{metrics}");
    assert_eq!(metrics.sum("api_request_failures_total", &[("account", "other")]), 0.0);
}

#[tokio::test]
async fn rate_limit_covers_all_regions_of_an_account() {
    let regions: Vec<_> = (0..8).map(|number| format!("region-{number}")).collect();
    let names: Vec<_> = regions.iter().map(|name| &**name).collect();
    let world = frozen(&names.iter().map(|name| (*name, 1)).collect::<Vec<_>>());
    let scene = Scene::start_with(world, |api| {
        let (many, other) = (api.account("main", &names), api.account("other", &names[..1]));
        let poll = "interval: 250ms, timeout: 30s, stale_after: 1h";
        api.config_for(&[&many, &other], poll).replace("requests_per_second: 100", "requests_per_second: 8")
    })
    .await;
    let waited = |metrics: &test_support::Metrics, account| {
        metrics.value("api_throttle_seconds_total", &[("account", account)]).expect("a counter")
    };
    let metrics = scene
        .daemon
        .until(|metrics| metrics.all("polls_total", &[]).filter(|sample| sample.value >= 3.0).count() == 9)
        .await;
    assert!(waited(&metrics, "main") > 2.0, "{metrics}");
    assert!(waited(&metrics, "other") < 0.5, "{metrics}");
    assert_eq!(metrics.sum("up", &[]), 9.0);
    assert_eq!(metrics.sum("api_request_failures_total", &[]), 0.0);
    let journal = scene.api.control.journal();
    let times = journal.iter().filter(|entry| entry.region != regions[0]).map(|entry| entry.at.as_secs_f64());
    let times: Vec<_> = times.collect();
    // The times count from the start of the API, which is before the start of the daemon. Two requests are the burst.
    let last = *times.last().expect("requests");
    assert!(times.len() as f64 <= last * 8.0 + 2.0, "{} requests in {last} s", times.len());
}
