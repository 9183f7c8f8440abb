//! The configurations that are accepted, and the exact messages about the others.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;
use tencentcloud_vpn_exporter::{
    config::{
        AccountConfig, ApiConfig, Config, GatewaysConfig, MetricsConfig, PollConfig, Regions, TrafficConfig,
        load::LoadedConfig, problem::Problems,
    },
    domain::{
        ca_file::CaFile,
        credential_source::CredentialSource,
        endpoint::Endpoint,
        filter::Filter,
        role::Role,
        secret::{Secret, SecretText},
        site::Site,
        tag_label::TagLabel,
        target::{AccountName, Region},
        traffic::{Period, TrafficMetric},
    },
};

const BAD: &str = "tests/fixtures/config/bad";
const GOOD: &str = "tests/fixtures/config/good";

fn environment<const N: usize>(variables: [(&str, &str); N]) -> BTreeMap<String, String> {
    variables.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn load(file: &str) -> LoadedConfig {
    Config::load(Some(Path::new(file)), &BTreeMap::new()).expect(file)
}

fn regions(names: &[&str]) -> Regions {
    Regions::Listed(names.iter().map(|name| Region::new(name).expect("a region")).collect())
}

/// An account with a name and regions only.
fn account(name: &str, regions: Regions) -> AccountConfig {
    AccountConfig {
        name: AccountName::new(name).expect("a name"),
        site: Site::International,
        regions,
        credentials: CredentialSource::Default,
        assume_role: None,
        filters: vec![],
    }
}

fn yaml_files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "yml")).collect()
}

/// Each file breaks one rule. Its message is in the file beside it, without the directory.
#[test]
fn bad_file_gets_its_exact_message() {
    let files = yaml_files(BAD);
    assert!(files.len() > 80, "only {} files were found", files.len());
    for file in files {
        let expected = fs::read_to_string(file.with_extension("txt")).expect("the message beside the file");
        let Err(problems) = Config::load(Some(&file), &BTreeMap::new()) else {
            panic!("{} was accepted", file.display());
        };
        let found = problems.to_string().replace(&format!("{BAD}/"), "");
        assert_eq!(found, expected.trim_end());
        assert!(!found.to_lowercase().contains("hunter"), "the message contains a secret: {found}");
    }
}

#[test]
fn good_file_gets_its_exact_warnings() {
    for file in yaml_files(GOOD) {
        let loaded = load(file.to_str().expect("a name in UTF-8"));
        let found: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        assert_eq!(found.join("\n").replace(&format!("{GOOD}/"), ""), expected.trim_end());
    }
}

/// A file beside the good configurations, as it is read.
fn ca_file(name: &str) -> CaFile {
    let path = Path::new(GOOD).join(name);
    CaFile { pem: std::fs::read(&path).expect("a file"), path }
}

#[test]
fn every_key_is_read() {
    let config = load(&format!("{GOOD}/full.yml")).config;
    let expected = Config {
        poll: PollConfig {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(45),
            stale_after: Duration::from_hours(2),
        },
        api: ApiConfig {
            endpoint: Some(Endpoint::new("https://proxy.example").expect("an endpoint")),
            metadata_endpoint: "http://metadata.tencentyun.com".parse().expect("a URL"),
            request_timeout: Duration::from_secs(10),
            ca_file: Some(ca_file("extra.pem")),
            proxy: None,
            requests_per_second: 20.0,
        },
        metrics: MetricsConfig {
            tag_labels: vec![
                TagLabel { key: "env".to_owned(), label: "tag_env".to_owned() },
                TagLabel { key: "cost-center".to_owned(), label: "tag_cost_center".to_owned() },
            ],
        },
        gateways: GatewaysConfig { enabled: false, interval: Duration::from_mins(10) },
        traffic: TrafficConfig {
            enabled: true,
            period: Period::OneMinute,
            metrics: vec![TrafficMetric::Latency, TrafficMetric::Bandwidth],
        },
        accounts: vec![AccountConfig {
            site: Site::China,
            credentials: CredentialSource::Static {
                secret_id: SecretText::Value(Secret::new("AKIDhunter2")),
                // A relative path starts at the file's directory.
                secret_key: SecretText::File(Path::new(GOOD).join("key")),
            },
            assume_role: Some(Role {
                arn: "qcs::cam::uin/100000000001:roleName/monitoring".to_owned(),
                session_name: "vpn-exporter".to_owned(),
                external_id: Some(Secret::new("000123")),
                duration: Duration::from_secs(7200),
            }),
            filters: vec![
                Filter { name: "vpn-gateway-id".to_owned(), values: vec!["vpngw-6x0wxvtp".to_owned()] },
                Filter {
                    name: "vpn-connection-id".to_owned(),
                    values: vec!["vpnx-f49l6u0z".to_owned(), "vpnx-abcdefgh".to_owned()],
                },
            ],
            ..account("production", regions(&["ap-guangzhou", "eu-frankfurt"]))
        }],
    };
    assert_eq!(config, expected);
}

#[test]
fn absent_key_has_its_default() {
    let config = load(&format!("{GOOD}/least.yml")).config;
    let accounts = vec![account("production", Regions::All)];
    let (poll, api, metrics) = (PollConfig::default(), ApiConfig::default(), MetricsConfig::default());
    let (gateways, traffic) = (GatewaysConfig::default(), TrafficConfig::default());
    assert_eq!(poll.stale_after, Duration::from_hours(1), "alerts rely on it");
    assert_eq!((gateways.enabled, gateways.interval), (true, Duration::from_mins(5)));
    assert_eq!((traffic.enabled, traffic.period), (false, Period::FiveMinutes));
    assert_eq!(traffic.metrics, TrafficMetric::ALL);
    assert_eq!(config, Config { poll, api, metrics, gateways, traffic, accounts });
}

#[test]
fn every_type_of_credentials_is_read() {
    let accounts = load(&format!("{GOOD}/credential-types.yml")).config.accounts;
    let credentials: Vec<_> = accounts.iter().map(|account| account.credentials.clone()).collect();
    let expected = [
        CredentialSource::Environment,
        CredentialSource::Profile,
        CredentialSource::InstanceRole,
        CredentialSource::WorkloadIdentity,
        CredentialSource::Default,
        CredentialSource::Static {
            secret_id: SecretText::File("/run/secrets/id".into()),
            secret_key: SecretText::Value(Secret::new("hunter2")),
        },
    ];
    assert_eq!(credentials, expected);
    assert!(accounts.iter().all(|account| account.regions == regions(&["ap-guangzhou", "ap-shanghai-fsi"])));
    let role = accounts[5].assume_role.as_ref().expect("a role");
    assert_eq!((role.session_name.as_str(), role.duration.as_secs()), ("tencentcloud-vpn-exporter", 7200));
}

#[test]
fn variable_overrides_the_file() {
    let variables = environment([
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL", "2m"),
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__TIMEOUT", "1m30s"),
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__STALE_AFTER", "1h"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__ENDPOINT", "http://127.0.0.1:8080"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__METADATA_ENDPOINT", "http://[::1]:81/"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__REQUEST_TIMEOUT", "500ms"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__CA_FILE", "other.pem"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__REQUESTS_PER_SECOND", "0.5"),
        ("TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS", "team, 7,true"),
        ("TENCENTCLOUD_VPN_EXPORTER__GATEWAYS__ENABLED", "true"),
        ("TENCENTCLOUD_VPN_EXPORTER__GATEWAYS__INTERVAL", "30s"),
        ("TENCENTCLOUD_VPN_EXPORTER__TRAFFIC__ENABLED", "false"),
        ("TENCENTCLOUD_VPN_EXPORTER__TRAFFIC__INTERVAL", "5m"),
        ("TENCENTCLOUD_VPN_EXPORTER__TRAFFIC__METRICS", "packets, packet_loss"),
        ("TENCENTCLOUD_REGION", "eu-frankfurt"),
        ("PATH", "/bin"),
    ]);
    let file = format!("{GOOD}/full.yml");
    let found = Config::load(Some(Path::new(&file)), &variables).expect("a configuration").config;
    let seconds = Duration::from_secs;
    assert_eq!(
        found.poll,
        PollConfig { interval: seconds(120), timeout: seconds(90), stale_after: seconds(3600) }
    );
    let api = ApiConfig {
        endpoint: Some(Endpoint::new("http://127.0.0.1:8080").expect("an endpoint")),
        metadata_endpoint: "http://[::1]:81".parse().expect("a URL"),
        request_timeout: Duration::from_millis(500),
        ca_file: Some(ca_file("other.pem")),
        proxy: None,
        requests_per_second: 0.5,
    };
    assert_eq!(found.api, api);
    let labels: Vec<_> = found.metrics.tag_labels.iter().map(|tag| tag.label.as_str()).collect();
    assert_eq!(labels, ["tag_team", "tag_7", "tag_true"]);
    assert_eq!(found.gateways, GatewaysConfig { enabled: true, interval: seconds(30) });
    let metrics = vec![TrafficMetric::Packets, TrafficMetric::PacketLoss];
    assert_eq!(found.traffic, TrafficConfig { enabled: false, period: Period::FiveMinutes, metrics });
    assert_eq!(found.accounts, load(&file).config.accounts);
}

#[test]
fn tag_can_have_a_label_name() {
    let label = |key: &str, label: &str| TagLabel { key: key.to_owned(), label: label.to_owned() };
    let expected = vec![label("env", "tag_env"), label("环境", "tag_environment"), label("a=b", "tag_team")];
    let variables = environment([
        ("TENCENTCLOUD_REGION", "ap-guangzhou"),
        ("TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS", "env, 环境=environment, a=b=team"),
    ]);
    let found = Config::load(None, &variables).expect("a configuration").config;
    assert_eq!(found.metrics.tag_labels, expected);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    let text = "metrics: {tag_labels: [env, {tag: 环境, label: environment}, {tag: a=b, label: team}]}\n\
                accounts: [{name: production, regions: [ap-guangzhou]}]\n";
    fs::write(&file, text).expect("a file");
    let found = Config::load(Some(&file), &BTreeMap::new()).expect("a configuration").config;
    assert_eq!(found.metrics.tag_labels, expected);
}

#[test]
fn empty_variable_counts_as_absent() {
    let variables = environment([
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL", ""),
        ("TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS", ""),
    ]);
    let file = format!("{GOOD}/full.yml");
    let found = Config::load(Some(Path::new(&file)), &variables).expect("a configuration");
    assert_eq!(found, load(&file));
}

#[test]
fn wrong_variable_is_named() {
    let variables = environment([
        ("TENCENTCLOUD_REGION", "ap-guangzhou,Nowhere"),
        ("TENCENTCLOUD_VPN_EXPORTER__ACCOUNTS", "production"),
        ("TENCENTCLOUD_VPN_EXPORTER__API__REQUESTS_PER_SECOND", "many"),
        ("TENCENTCLOUD_VPN_EXPORTER__LOG__LEVEL", "debug"),
        ("TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS", "env,,env,环境,环境=e-f,=f"),
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVALL", "60s"),
        ("TENCENTCLOUD_VPN_EXPORTER__POLL__TIMEOUT", "60"),
        ("TENCENTCLOUD_VPN_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ("tencentcloud_vpn_exporter__poll__interval", "60s"),
    ]);
    let problems = Config::load(None, &variables).expect_err("problems").to_string();
    let expected = [
        "TENCENTCLOUD_VPN_EXPORTER__ACCOUNTS: is not a variable of this program; accounts come from the file of --config.file",
        "TENCENTCLOUD_VPN_EXPORTER__LOG__LEVEL: is not a variable of this program; known are TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL",
        "TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVALL: is not a variable of this program; did you mean TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL?",
        "tencentcloud_vpn_exporter__poll__interval: is not a variable of this program; did you mean TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL?",
        "TENCENTCLOUD_VPN_EXPORTER__POLL__TIMEOUT: poll.timeout: \"60\" is not a duration: time unit needed, for example 60sec or 60ms; write one such as 30s or 1h30m",
        "TENCENTCLOUD_VPN_EXPORTER__API__REQUESTS_PER_SECOND: api.requests_per_second: is a text, not a number; write it in digits, without quotes",
        "TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS: metrics.tag_labels[1]: \"\" is not a tag; write the tag's key, or remove the entry",
        "TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS: metrics.tag_labels[2]: \"env\" is a duplicate; keep one",
        "TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS: metrics.tag_labels[3]: \"环境\" has no ASCII letter or digit for a label; name its label: {tag: \"环境\", label: environment}, or 环境=environment in the variable",
        "TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS: metrics.tag_labels[4].label: \"e-f\" is not a valid label name; use ASCII letters, digits and _, such as environment for tag_environment",
        "TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS: metrics.tag_labels[5].tag: \"\" is not a tag; write the tag's key, or remove the entry",
        "TENCENTCLOUD_REGION: accounts[0].regions[1]: \"Nowhere\" must not contain 'N'; allowed are lower-case letters, digits and hyphens",
    ];
    let found: Vec<&str> = problems.lines().collect();
    assert_eq!(found.len(), expected.len(), "{problems}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn variable_does_not_hide_a_wrong_section() {
    let variables = environment([("TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL", "60s")]);
    let file = format!("{BAD}/section-is-a-text.yml");
    let problems = Config::load(Some(Path::new(&file)), &variables).expect_err("problems");
    assert!(problems.to_string().contains("poll: is a text, not a mapping"), "{problems}");
}

#[test]
fn environment_names_regions_without_a_file() {
    let accounts = |region| {
        let loaded = Config::load(None, &environment([("TENCENTCLOUD_REGION", region)]));
        loaded.map(|loaded| loaded.config.accounts)
    };
    let default = |regions| Ok::<_, Problems>(vec![account("default", regions)]);
    assert_eq!(accounts("all"), default(Regions::All));
    assert_eq!(accounts("ap-guangzhou"), default(regions(&["ap-guangzhou"])));
    assert_eq!(accounts(" ap-guangzhou, eu-frankfurt "), default(regions(&["ap-guangzhou", "eu-frankfurt"])));
    assert_eq!(
        accounts("ap-guangzhou,all").expect_err("problems").to_string(),
        "TENCENTCLOUD_REGION: accounts[0].regions[1]: is all, which cannot be in a list; write regions: all, or list regions"
    );
    for missing in [environment([]), environment([("TENCENTCLOUD_REGION", " ")])] {
        assert_eq!(
            Config::load(None, &missing).expect_err("problems").to_string(),
            "TENCENTCLOUD_REGION: is not set; list regions there, separated by commas, or write all, or give a file \
             by --config.file"
        );
    }
}

#[test]
fn environment_names_account_and_site_without_a_file() {
    let load = |site| {
        let variables = [
            ("TENCENTCLOUD_REGION", "all"),
            ("TENCENTCLOUD_VPN_EXPORTER_ACCOUNT", "production"),
            ("TENCENTCLOUD_VPN_EXPORTER_SITE", site),
        ];
        Config::load(None, &environment(variables)).map(|mut loaded| loaded.config.accounts.remove(0))
    };
    for (text, site) in
        [("china", Site::China), ("", Site::International), ("international", Site::International)]
    {
        let expected = AccountConfig { site, ..account("production", Regions::All) };
        assert_eq!(load(text), Ok(expected), "{text:?}");
    }
    assert_eq!(
        load("intl").expect_err("a problem").to_string(),
        "TENCENTCLOUD_VPN_EXPORTER_SITE: accounts[0].site: \"intl\" is not a site; write international or china"
    );
}

#[test]
fn account_variables_with_a_file_cause_a_warning() {
    let variables = environment([
        ("TENCENTCLOUD_REGION", "all"),
        ("TENCENTCLOUD_VPN_EXPORTER_ACCOUNT", ""),
        ("TENCENTCLOUD_VPN_EXPORTER_SITE", "china"),
    ]);
    let file = format!("{GOOD}/least.yml");
    let loaded = Config::load(Some(Path::new(&file)), &variables).expect("a configuration");
    assert_eq!(loaded.config, load(&file).config);
    let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
    assert_eq!(
        warning.to_string(),
        "TENCENTCLOUD_VPN_EXPORTER_SITE: is ignored because there is a configuration file; write site in its accounts"
    );
}

#[test]
fn site_decides_the_endpoint_unless_one_is_set() {
    let url = |endpoint: Option<Endpoint>, site, region: &str| {
        let account = AccountConfig { site, ..account("production", Regions::All) };
        let config = Config {
            poll: PollConfig::default(),
            api: ApiConfig { endpoint, ..ApiConfig::default() },
            metrics: MetricsConfig::default(),
            gateways: GatewaysConfig::default(),
            traffic: TrafficConfig::default(),
            accounts: vec![account.clone()],
        };
        let region = Region::new(region).expect("a region");
        config.endpoint(&account).url("vpc", &region).to_string()
    };
    let own = |text| Some(Endpoint::new(text).expect("an endpoint"));
    for (endpoint, site, region, expected) in [
        (None, Site::International, "ap-singapore", "https://vpc.intl.tencentcloudapi.com/"),
        (None, Site::China, "ap-singapore", "https://vpc.tencentcloudapi.com/"),
        (None, Site::China, "ap-shanghai-fsi", "https://vpc.ap-shanghai-fsi.tencentcloudapi.com/"),
        (None, Site::International, "ap-shanghai-fsi", "https://vpc.ap-shanghai-fsi.tencentcloudapi.com/"),
        (own("https://proxy.example"), Site::China, "ap-singapore", "https://proxy.example/"),
    ] {
        assert_eq!(url(endpoint, site, region), expected);
    }
}

#[test]
fn endpoint_none_means_the_endpoint_of_the_site() {
    let variables = [("TENCENTCLOUD_REGION", "all"), ("TENCENTCLOUD_VPN_EXPORTER__API__ENDPOINT", "none")];
    let loaded = Config::load(None, &environment(variables)).expect("a configuration");
    assert_eq!(loaded.config.api.endpoint, None);
}

#[test]
fn proxy_is_read_from_the_environment() {
    let load =
        |value| Config::load(None, &environment([("TENCENTCLOUD_REGION", "all"), ("HTTPS_PROXY", value)]));
    let proxy = load("http://user:hunter2@proxy.example:3128\n").expect("a configuration").config.api.proxy;
    assert_eq!(proxy.expect("a proxy").to_string(), "http://proxy.example:3128");
    assert_eq!(
        load("'http://user:hunter2@proxy.example:3128'").expect_err("a problem").to_string(),
        "HTTPS_PROXY: the value has quotes around it; write the URL of a proxy, such as http://proxy.example:3128, or \
         unset the variable"
    );
}

#[test]
fn short_interval_shortens_the_default_timeout() {
    let variables =
        environment([("TENCENTCLOUD_REGION", "all"), ("TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL", "15s")]);
    let loaded = Config::load(None, &variables).expect("a configuration");
    assert_eq!(loaded.config.poll.timeout, Duration::from_secs(15));
    assert_eq!(loaded.warnings, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// A secret is never repeated, wherever it is and whatever else is wrong.
    #[test]
    fn secret_is_never_shown(
        secret in "[A-Za-z0-9]{12,40}",
        quote in prop::sample::select(vec!["", "\"", "'"]),
        noise in "[ \t:@&*!#%{}\\[\\],|>\"'-]{0,3}",
        lines in prop::sample::subsequence(vec![
            "    secret_key: SECRET",
            "    external_id: [SECRET]",
            "    credentials:",
            "      type: static",
            "      type: statc",
            "      type: profile",
            "      type: SECRET",
            "      secret_id: SECRET",
            "      secret_key: SECRET",
            "      secret-key: SECRET",
            "      token: {a: SECRET}",
            "      SECRET: SECRET",
            "    assume_role:",
            "      role_arn: qcs::cam::uin/1:roleName/a",
            "      external_id: SECRET",
            "      external-id: SECRET",
        ], 1..16),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.yml");
        let text = format!("accounts:\n  - name: production\n    regions: all\n{}\n", lines.join("\n"));
        fs::write(&file, text.replace("SECRET", &format!("{quote}{noise}{secret}{quote}"))).expect("a file");
        let shown = match Config::load(Some(&file), &BTreeMap::new()) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(problems) => format!("{problems} {problems:?}"),
        };
        prop_assert!(!shown.contains(&secret), "{shown}");
    }
}
