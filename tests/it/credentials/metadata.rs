//! Credentials of the instance role, and a metadata service that is missing, unreachable or wrong.

use std::{env, process::Stdio};

use simulator::{Fault, FaultKind};
use tencentcloud_vpn_exporter::tencent::credentials::source::Source;
use tokio::process::Command;

use super::setup::{OTHER_ACCOUNT, RunningSimulator, WEB_TOKEN, file, options};

const FIRST_ACCOUNT: &str = "100000000001";

fn at(action: &str, kind: FaultKind) -> Vec<Fault> {
    vec![Fault { action: Some(action.to_owned()), ..Fault::new(kind) }]
}

fn html() -> FaultKind {
    FaultKind::Body { content_type: "text/html".to_owned(), text: "<html>SECRET</html>".to_owned() }
}

#[tokio::test]
async fn instance_role_gives_credentials() {
    let api = RunningSimulator::start(options()).await;
    assert_eq!(api.account_of(&api.instance_role()).await.as_deref(), Ok(FIRST_ACCOUNT));
    let loaded = api.instance_role().load().await.expect("credentials");
    assert_eq!(loaded.origin, "the role watcher of this instance");
    let remaining = loaded.expiry.expect("an end").remaining.as_secs();
    assert!((6 * 3600 - 10..=6 * 3600).contains(&remaining), "{remaining} s");
}

#[tokio::test]
async fn malformed_metadata_is_not_repeated() {
    let api = RunningSimulator::start(options()).await;
    let place = format!("metadata service, {}latest/meta-data/cam/security-credentials/", api.url);
    let removed = |pointer: &str| FaultKind::Remove { pointer: pointer.to_owned() };
    for (action, kind, problem) in [
        ("MetadataRole", html(), ": the response has no role name; give the instance a role"),
        (
            "MetadataRole",
            FaultKind::Status { status: 404, retry_after: None },
            ": this instance has no role; give",
        ),
        ("MetadataRole", FaultKind::Status { status: 403, retry_after: None }, ": HTTP status 403; give"),
        ("MetadataCredentials", html(), "watcher: malformed response: it is not a JSON object"),
        (
            "MetadataCredentials",
            FaultKind::Status { status: 500, retry_after: None },
            "watcher: HTTP status 500",
        ),
        ("MetadataCredentials", removed("/Token"), "watcher: malformed response: its Token is missing or"),
        (
            "MetadataCredentials",
            removed("/ExpiredTime"),
            "watcher: malformed response: its ExpiredTime is missing",
        ),
        ("MetadataCredentials", removed("/Code"), "watcher: malformed response: it has no Code"),
        (
            "MetadataCredentials",
            FaultKind::Error { code: "RoleNotFound".to_owned() },
            "watcher: malformed response: its Code is \"RoleNotFound\", not Success",
        ),
    ] {
        api.control.set_faults(at(action, kind.clone())).expect("a fault");
        let message = api.instance_role().load().await.expect_err("no credentials").to_string();
        assert!(message.starts_with(&format!("{place}{problem}")), "{kind:?}: {message}");
        assert!(!message.contains("SECRET"), "{message}");
    }
}

#[tokio::test]
async fn expired_credentials_are_refused() {
    let api = RunningSimulator::start(options()).await;
    let kind = FaultKind::Replace { pointer: "/ExpiredTime".to_owned(), value: 1_700_000_000.into() };
    api.control.set_faults(at("MetadataCredentials", kind)).expect("a fault");
    assert_eq!(
        api.instance_role().load().await.expect_err("no credentials").to_string(),
        "the role watcher of this instance: the credentials had expired at 2023-11-14T22:13:20Z; check the clock of that service"
    );
}

#[tokio::test]
async fn wrong_clock_does_not_change_the_lifetime() {
    let api = RunningSimulator::start(options()).await;
    for seconds in [100_000, -100_000] {
        api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds })]).expect("a fault");
        let loaded = api.instance_role().load().await.expect("credentials");
        let remaining = loaded.expiry.expect("an end").remaining.as_secs();
        assert!((6 * 3600 - 10..=6 * 3600).contains(&remaining), "{remaining} s");
    }
}

#[tokio::test]
async fn unreachable_metadata_service_is_skipped_at_first() {
    let api = RunningSimulator::start(options()).await;
    let (_folder, token) = file(WEB_TOKEN);
    let out_of_reach = || api.control.set_faults(at("MetadataRole", FaultKind::Reset)).expect("a fault");
    let in_reach = || api.control.set_faults(vec![]).expect("no fault");
    let [early, late] = [(); 2].map(|()| api.default_chain(None, None, Some(&token)));
    assert_eq!(api.account_of(&early).await.as_deref(), Ok(FIRST_ACCOUNT));
    out_of_reach();
    let message = early.load().await.expect_err("no credentials").to_string();
    assert!(message.starts_with("metadata service, "), "{message}");
    assert_eq!(api.account_of(&late).await.as_deref(), Ok(OTHER_ACCOUNT));
    in_reach();
    assert_eq!(api.account_of(&early).await.as_deref(), Ok(FIRST_ACCOUNT));
    assert_eq!(api.account_of(&late).await.as_deref(), Ok(OTHER_ACCOUNT));
}

/// The test below, run by this same program with other variables.
const PROXIED: &str = "credentials::metadata::dead_proxy_blocks_other_hosts_only";

#[tokio::test]
async fn metadata_service_is_called_without_proxy() {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", PROXIED, "--ignored"]).stdin(Stdio::null());
    // Nobody listens on port 9 of this machine, and it does not matter whether the proxy responds.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        command.env_remove(name);
    }
    let output = command.output().await.expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "needs the variables of a proxy; another test runs it with them"]
async fn dead_proxy_blocks_other_hosts_only() {
    let api = RunningSimulator::start(options()).await;
    assert!(api.instance_role().load().await.is_ok());
    assert!(api.assumed().load().await.is_ok(), "no proxy is used for a loopback address");
    let mut elsewhere = api.assumed();
    // An address that is kept for documentation (RFC 5737): without the proxy, nothing would refuse it.
    elsewhere.sts = api.sts_at("https://192.0.2.1");
    let message = elsewhere.load().await.expect_err("a dead proxy").to_string();
    assert!(message.contains("refused"), "{message}");
}
