//! Accounts with credentials of every source, in a running daemon.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use simulator::{Account, Entry, Fault, FaultKind, Options, Role, WebIdentity};
use tempfile::TempDir;
use tencentcloud_vpn_exporter::wiring::Variables;
use test_support::{Api, Daemon, DaemonOptions, Metrics, frozen, log::Log, with_timeout};

const REGIONS: [&str; 2] = ["ap-guangzhou", "eu-frankfurt"];
const OTHER_ACCOUNT: &str = "200000000002";
const EXTERNAL_ID: &str = "an-external-id";
const WEB_TOKEN: &str = "a-web-token";

/// Poll settings with a short interval.
const FREQUENT_POLLS: &str = "interval: 250ms, timeout: 5s, stale_after: 1h";

/// The account name of each credential source, the source, and whether its credentials are temporary.
const SOURCES: [(&str, &str, bool); 7] = [
    ("default", "default}", false),
    ("environment", "environment}", false),
    ("files", "static, secret_id_file: id, secret_key_file: key}", false),
    ("profile", "profile}", true),
    ("instance", "instance_role}", true),
    ("pod", "workload_identity}", true),
    (
        "assumed",
        "environment}\n  assume_role: {role_arn: 'qcs::cam::uin/200000000002:roleName/reader', external_id: an-external-id}",
        true,
    ),
];

/// The simulated cloud, and the files and variables of a machine in it.
struct Cloud {
    api: Api,
    files: TempDir,
}

impl Cloud {
    async fn new(token_lifetime: Option<Duration>) -> Self {
        let role = |name: &str, external_id: Option<&str>| Role {
            account: OTHER_ACCOUNT.to_owned(),
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
        };
        let web_identity = WebIdentity { provider_id: "tke".to_owned(), token: WEB_TOKEN.to_owned() };
        let api = Api::start(Options {
            roles: vec![role("reader", Some(EXTERNAL_ID)), role("open", None)],
            instance_role: Some("watcher".to_owned()),
            web_identity: Some(web_identity),
            token_lifetime,
            requests_per_second: 1_000_000,
            ..frozen(&REGIONS.map(|region| (region, 2)))
        });
        let cloud = Self { api: api.await, files: tempfile::tempdir().expect("a folder") };
        let (id, key) = cloud.key_pair();
        cloud.write("token", WEB_TOKEN);
        cloud.write("id", &id);
        cloud.write("key", &key);
        let role = "role_arn = qcs::cam::uin/200000000002:roleName/open";
        cloud.write(
            ".tencentcloud/credentials",
            &format!("[default]\nsecret_id = {id}\nsecret_key = {key}\n{role}\n"),
        );
        cloud
    }

    fn key_pair(&self) -> (String, String) {
        let Account { credentials, .. } = &self.api.control.accounts()[0];
        (credentials.secret_id.clone(), credentials.secret_key.clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Replaces a file atomically, like mounted secrets.
    fn write(&self, name: &str, content: &str) {
        let (path, new) = (self.path(name), self.path("new"));
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(&new, content).and_then(|()| fs::rename(new, path)).expect("a file");
    }

    /// Environment variables that configure every source.
    fn variables(&self) -> Variables {
        let (id, key) = self.key_pair();
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let given = [
            ("HOME", text(self.files.path())),
            ("TENCENTCLOUD_SECRET_ID", id),
            ("TENCENTCLOUD_SECRET_KEY", key),
            ("TKE_REGION", REGIONS[0].to_owned()),
            ("TKE_PROVIDER_ID", "tke".to_owned()),
            ("TKE_WEB_IDENTITY_TOKEN_FILE", text(&self.path("token"))),
            ("TKE_ROLE_ARN", "qcs::cam::uin/200000000002:roleName/open".to_owned()),
        ];
        given.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// A configuration with one account for each of these sources.
    fn config(&self, accounts: &[&str], poll: &str) -> String {
        let entry = |name: &&str| {
            let (.., source, _) = SOURCES.iter().find(|(known, ..)| known == name).expect("a source");
            let source = source.replace("file: ", &format!("file: {}/", self.files.path().display()));
            format!("- name: {name}\n  regions: [{}]\n  credentials: {{type: {source}\n", REGIONS.join(", "))
        };
        let entries: Vec<String> = accounts.iter().map(entry).collect();
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let metadata = format!("api: {{metadata_endpoint: 'http://{}', ", self.api.address);
        self.api.config_for(&entries, poll).replace("api: {", &metadata)
    }

    async fn daemon(&self, accounts: &[&str]) -> Daemon {
        self.daemon_with(self.variables(), &self.config(accounts, FREQUENT_POLLS)).await
    }

    async fn daemon_with(&self, variables: Variables, config: &str) -> Daemon {
        Daemon::start_with(DaemonOptions { variables, ..DaemonOptions::default() }, config).await
    }

    fn set_fault(&self, action: &str, kind: FaultKind) {
        let fault = Fault { action: Some(action.to_owned()), ..Fault::new(kind) };
        self.api.control.set_faults(vec![fault]).expect("a fault that can happen");
    }

    fn clear_faults(&self) {
        self.api.control.set_faults(vec![]).expect("no faults");
    }

    fn count(&self, action: &str) -> usize {
        self.api.control.journal().iter().filter(|entry| entry.action == action).count()
    }

    /// The number of regions in which each id was used to list tunnels, in the order of first use.
    fn regions_by_id(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut regions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for entry in self.api.control.journal() {
            if entry.action == "DescribeVpnConnections" {
                if !regions.contains_key(&entry.secret_id) {
                    order.push(entry.secret_id.clone());
                }
                regions.entry(entry.secret_id).or_default().insert(entry.region);
            }
        }
        order.iter().map(|id| regions[id].len()).collect()
    }
}

fn polls(metrics: &Metrics, account: &str) -> f64 {
    metrics.sum("polls_total", &[("account", account)])
}

/// The number of regions of an account that are up.
fn up(metrics: &Metrics, account: &str) -> f64 {
    metrics.sum("up", &[("account", account)])
}

fn failures(metrics: &Metrics, account: &str, reason: &str) -> f64 {
    metrics.sum("poll_failures_total", &[("account", account), ("reason", reason)])
}

fn expiry(metrics: &Metrics, account: &str) -> Option<f64> {
    metrics.value("credentials_expiry_timestamp_seconds", &[("account", account)])
}

#[tokio::test]
async fn every_source_serves_with_short_lived_tokens() {
    let cloud = Cloud::new(Some(Duration::from_secs(8))).await;
    let daemon = cloud.daemon(&SOURCES.map(|(name, ..)| name)).await;
    let first = daemon.until(|metrics| metrics.sum("up", &[]) == 14.0).await;
    let is_renewed = |metrics: &Metrics| {
        let mut temporary = SOURCES.iter().filter(|(.., temporary)| *temporary);
        temporary.all(|(name, ..)| expiry(metrics, name) > expiry(&first, name))
    };
    let renewed = daemon.until(is_renewed).await;
    let is_polled_later = |metrics: &Metrics| {
        SOURCES.iter().all(|(name, ..)| polls(metrics, name) >= polls(&renewed, name) + 4.0)
    };
    let later = daemon.until(is_polled_later).await;
    assert_eq!(later.sum("poll_failures_total", &[]), 0.0, "{later}");
    assert_eq!(later.count("tunnel_up", &[]), 28);
    for (name, _, temporary) in SOURCES {
        assert_eq!(expiry(&first, name).is_some(), temporary, "{name}");
    }
    for (action, least) in [("MetadataCredentials", 2), ("AssumeRoleWithWebIdentity", 2), ("AssumeRole", 4)] {
        assert!(cloud.count(action) >= least, "{action}: {}", cloud.count(action));
    }
}

#[tokio::test]
async fn regions_share_one_renewal() {
    let cloud = Cloud::new(Some(Duration::from_secs(4))).await;
    let _daemon = cloud.daemon(&["instance"]).await;
    with_timeout(cloud.api.control.until(|_| cloud.regions_by_id().len() >= 3)).await;
    let grants = cloud.count("MetadataCredentials");
    let used = cloud.regions_by_id();
    assert!(grants <= used.len() + 1, "{grants} were issued and {} used", used.len());
    assert!(used[..used.len() - 1].iter().all(|&regions| regions == 2), "{used:?}");
}

#[tokio::test]
async fn revoked_credentials_fail_no_poll() {
    let cloud = Cloud::new(None).await;
    let daemon = cloud.daemon(&["instance", "assumed", "files"]).await;
    let before = daemon.until(|metrics| metrics.sum("up", &[]) == 6.0).await;
    let renewals = ["MetadataCredentials", "AssumeRole"];
    assert_eq!(renewals.map(|action| cloud.count(action)), [1, 1]);
    cloud.api.control.revoke_tokens();
    let accounts = ["instance", "assumed", "files"];
    let after = daemon
        .until(|metrics| accounts.iter().all(|name| polls(metrics, name) >= polls(&before, name) + 6.0))
        .await;
    assert_eq!(renewals.map(|action| cloud.count(action)), [2, 2], "one renewal each");
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0, "{after}");
    assert!(after.sum("api_request_failures_total", &[("reason", "auth")]) >= 2.0);
    let assumptions = [("account", "assumed"), ("action", "AssumeRole")];
    assert_eq!(after.value("api_requests_total", &assumptions), Some(2.0), "they count like all requests");
}

#[tokio::test]
async fn failing_source_fails_its_account_only() {
    let cloud = Cloud::new(None).await;
    cloud.set_fault("MetadataCredentials", FaultKind::Reset);
    let daemon = cloud.daemon(&["instance", "pod", "files"]).await;
    let failed = |metrics: &Metrics| failures(metrics, "instance", "credentials") >= 4.0;
    let during = daemon.until(|metrics| failed(metrics) && metrics.sum("up", &[]) == 4.0).await;
    assert_eq!((up(&during, "instance"), up(&during, "pod"), up(&during, "files")), (0.0, 2.0, 2.0));
    assert_eq!(during.sum("poll_failures_total", &[]), failures(&during, "instance", "credentials"));
    assert_eq!(
        during.sum("api_requests_total", &[("account", "instance")]),
        0.0,
        "unsigned requests are not sent"
    );
    assert_eq!(expiry(&during, "instance"), None);
    assert!(cloud.count("MetadataCredentials") < 10, "the source is called rarely");

    cloud.clear_faults();
    let after = daemon.until(|metrics| metrics.sum("up", &[]) == 6.0).await;
    assert!(expiry(&after, "instance").is_some());
}

#[tokio::test]
async fn failed_renewal_keeps_good_credentials() {
    let cloud = Cloud::new(Some(Duration::from_secs(8))).await;
    let log = Log::capture();
    let daemon = cloud.daemon(&["pod"]).await;
    let before = daemon.until(|metrics| up(metrics, "pod") == 2.0).await;
    // The pod's token is no longer the current one.
    cloud.write("token", "an-old-token");
    let during = daemon.until(|metrics| failures(metrics, "pod", "credentials") >= 2.0).await;
    let expired = expiry(&during, "pod").expect("the gauge stays");
    let now =
        during.value("last_success_timestamp_seconds", &[("region", REGIONS[0])]).expect("polls succeeded");
    assert!(now > expired - 2.0, "polls succeeded until {now}, and the token until {expired}");
    assert!(polls(&during, "pod") > polls(&before, "pod") + 4.0, "polls continued with the old token");
    assert_eq!(during.count("tunnel_up", &[]), 4, "the tunnels of the last good poll stay");
    log.only_line(&["WARN", "credentials not renewed; the old ones are still used"]);

    // The token file is read again at the next renewal.
    cloud.write("token", WEB_TOKEN);
    let after = daemon.until(|metrics| up(metrics, "pod") == 2.0).await;
    assert!(expiry(&after, "pod") > Some(expired));
    log.only_line(&["INFO", "credentials renewed after failures"]);
}

#[tokio::test]
async fn changed_credentials_file_ends_refusals() {
    let cloud = Cloud::new(None).await;
    let (_, key) = cloud.key_pair();
    cloud.write("key", "a-key-that-was-never-good");
    let config = cloud.config(&["files", "environment"], "interval: 10h, timeout: 5s, stale_after: 20h");
    let daemon = cloud.daemon_with(cloud.variables(), &config).await;
    let refused = daemon.until(|metrics| failures(metrics, "files", "auth") == 2.0).await;
    let before = cloud.count("DescribeVpnConnections");
    assert_eq!(up(&refused, "files"), 0.0);
    cloud.write("key", &key);
    daemon.until(|metrics| up(metrics, "files") == 2.0).await;
    assert_eq!(
        cloud.count("DescribeVpnConnections"),
        before + 2,
        "the other account is polled only when it is due"
    );
}

#[tokio::test]
async fn other_credentials_end_the_pauses_after_refusals() {
    let cloud = Cloud::new(None).await;
    cloud.write("id", "AKIDfirst");
    let config = cloud.config(&["files"], "interval: 1s, timeout: 900ms, stale_after: 1h");
    let daemon = cloud.daemon_with(cloud.variables(), &config).await;
    // The pause after the fifth refusal is eight seconds long.
    daemon.until(|metrics| failures(metrics, "files", "auth") == 10.0).await;
    cloud.write("id", "AKIDsecond");
    let second = |entries: &[Entry]| -> Vec<Duration> {
        let of_region = |entry: &&Entry| entry.secret_id == "AKIDsecond" && entry.region == REGIONS[0];
        entries.iter().filter(of_region).map(|entry| entry.at).collect()
    };
    with_timeout(cloud.api.control.until(|entries| second(entries).len() >= 2)).await;
    let times = second(&cloud.api.control.journal());
    // Without an end of the pauses, the next one would be sixteen seconds long.
    assert!(times[1] - times[0] < Duration::from_secs(12), "{times:?}");
}

#[tokio::test]
async fn requests_wait_for_credentials_before_the_limit() {
    let cloud = Cloud::new(None).await;
    cloud.set_fault("MetadataRole", FaultKind::StallHeaders);
    let config = cloud.config(&["instance"], "interval: 500ms, timeout: 400ms, stale_after: 1h");
    let daemon = cloud.daemon_with(cloud.variables(), &config).await;
    let failed = daemon.until(|metrics| metrics.sum("poll_failures_total", &[]) >= 4.0).await;
    assert_eq!(failed.value("api_throttle_seconds_total", &[]), Some(0.0));
    assert_eq!(cloud.count("DescribeVpnConnections"), 0);
}

#[tokio::test]
async fn reload_keeps_credentials_of_unchanged_accounts() {
    let cloud = Cloud::new(None).await;
    let daemon = cloud.daemon(&["instance", "assumed"]).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 4.0).await;
    // Nothing can be renewed now.
    let faults = ["MetadataCredentials", "AssumeRole"]
        .map(|action| Fault { action: Some(action.to_owned()), ..Fault::new(FaultKind::Reset) });
    cloud.api.control.set_faults(faults.to_vec()).expect("faults");
    let other = cloud.config(&["instance", "assumed"], "interval: 200ms, timeout: 4s");
    let fewer = other.replace(&REGIONS.join(", "), REGIONS[0]);
    for (config, targets) in [(&other, 4.0), (&fewer, 2.0)] {
        daemon.reload(config).await.expect("a valid configuration");
        let before = daemon.scrape().await;
        let polled =
            |metrics: &Metrics| metrics.sum("polls_total", &[]) >= before.sum("polls_total", &[]) + 8.0;
        let after = daemon.until(|metrics| metrics.sum("up", &[]) == targets && polled(metrics)).await;
        assert_eq!(after.sum("poll_failures_total", &[]), 0.0, "{after}");
    }
    assert_eq!(["MetadataCredentials", "AssumeRole"].map(|action| cloud.count(action)), [1, 1]);

    // An account with changed settings needs new credentials.
    let renamed = fewer.replace("external_id: an-external-id", "external_id: another");
    daemon.reload(&renamed).await.expect("a valid configuration");
    let after = daemon.until(|metrics| up(metrics, "assumed") == 0.0).await;
    assert_eq!(up(&after, "instance"), 1.0);
}

#[tokio::test]
async fn default_chain_logs_its_source() {
    for (missing, link) in [
        (&[][..], "the environment"),
        (&["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"], "roleName/open assumed by the profile "),
        (&["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "HOME"], "the role watcher of this instance"),
    ] {
        let log = Log::capture();
        let cloud = Cloud::new(None).await;
        let mut variables = cloud.variables();
        variables.retain(|name, _| !missing.contains(&name.as_str()));
        let daemon = cloud.daemon_with(variables, &cloud.config(&["default"], FREQUENT_POLLS)).await;
        daemon.until(|metrics| up(metrics, "default") == 2.0).await;
        let found = log.only_line(&["INFO", "credentials found", "account=default"]);
        assert!(found.contains(link), "{found}");
    }
}

#[tokio::test]
async fn empty_default_chain_names_each_source() {
    let cloud = Cloud::new(None).await;
    cloud.set_fault("MetadataRole", FaultKind::Status { status: 404, retry_after: None });
    let log = Log::capture();
    let daemon = cloud.daemon_with(Variables::new(), &cloud.config(&["default"], FREQUENT_POLLS)).await;
    daemon.until(|metrics| failures(metrics, "default", "credentials") >= 2.0).await;
    let failed = log.lines(&["WARN", "poll failed", REGIONS[0]]).join("");
    for place in [
        "(1) the environment variable",
        "(2) there is no profile",
        "(3) metadata service",
        "(4) the environment variable TKE_",
    ] {
        assert!(failed.contains(place), "{place:?} is not in {failed}");
    }
}
