//! `check-config --probe`: the table, the problems and the exit status.

use std::process::{ExitStatus, Stdio};

use simulator::{Fault, FaultKind, OfferedRegion};
use test_support::{Api, frozen, with_gateways, with_traffic};
use tokio::process::Command;

const GUANGZHOU: &str = "ap-guangzhou";
const FRANKFURT: &str = "eu-frankfurt";

/// The output of the program.
#[derive(Debug)]
struct Output {
    status: ExitStatus,
    /// The cells of each line of the table, with the header.
    table: Vec<Vec<String>>,
    /// The lines after the table: what traffic takes, for each account.
    estimates: Vec<String>,
    problems: String,
}

async fn probe(config: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    std::fs::write(&file, config).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .args(["check-config", "--probe", "--log.level=warn", "--config.file"])
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    // Cells are separated by two spaces, and have single ones within.
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let lines = text.lines().skip_while(|line| !line.starts_with("ACCOUNT"));
    let (estimates, table): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.contains("requests") && line.contains("traffic"));
    Output {
        status: output.status,
        table: table.into_iter().map(cells).collect(),
        estimates: estimates.into_iter().map(str::to_owned).collect(),
        problems: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Output {
    /// The cells of an account's region after account and region.
    #[track_caller]
    fn row(&self, account: &str, region: &str) -> &[String] {
        let row = self.table.iter().find(|row| row[..2] == [account, region]);
        &row.unwrap_or_else(|| panic!("no row of {account} in {region}: {self:?}"))[2..]
    }
}

#[tokio::test]
async fn good_targets_show_endpoint_and_tunnels() {
    let api = Api::start(frozen(&[(GUANGZHOU, 150), (FRANKFURT, 0)])).await;
    let output =
        probe(&with_gateways(&api.config_with_poll(&[GUANGZHOU, FRANKFURT], "interval: 1m"), "5m")).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        output.table[0],
        [
            "ACCOUNT",
            "REGION",
            "REACHABLE",
            "ENDPOINT",
            "TUNNELS",
            "GATEWAYS",
            "CUSTOMER GATEWAYS",
            "TRAFFIC",
            "CLOCK"
        ]
    );
    let endpoint = api.address.to_string();
    let gateways = api.control.gateway_rows(GUANGZHOU).expect("the region").len().to_string();
    let peers = api.control.customer_gateway_rows(GUANGZHOU).expect("the region").len().to_string();
    assert_eq!(output.row("main", GUANGZHOU), ["yes", &*endpoint, "150", &*gateways, &*peers, "off", "0 s"]);
    assert_eq!(output.row("main", FRANKFURT), ["yes", &*endpoint, "0", "0", "0", "off", "0 s"]);
    assert_eq!((output.table.len(), &*output.problems), (3, ""));
    let journal = api.control.journal();
    assert_eq!(journal.len(), 6, "one call of each action: {journal:?}");
    assert!(journal.iter().all(|entry| entry.limit == Some(1)));
}

#[tokio::test]
async fn each_failure_is_shown_beside_good_targets() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2), (FRANKFURT, 1)])).await;
    let bad_key = api.account("bad", &[GUANGZHOU]).replace("secret_key: '", "secret_key: 'x");
    let no_key = "- {name: none, regions: [ap-guangzhou], credentials: {type: static, secret_id: a, secret_key_file: gone}}\n";
    let accounts = [&api.account("main", &[GUANGZHOU, FRANKFURT, "ap-tokyo"]), &*bad_key, no_key];
    let order = |region: &str, kind| Fault { region: Some(region.to_owned()), ..Fault::new(kind) };
    let forbidden = FaultKind::Error { code: "UnauthorizedOperation".to_owned() };
    api.control.set_faults(vec![order(FRANKFURT, forbidden)]).expect("faults");
    let output = probe(&with_gateways(&api.config_for(&accounts, "interval: 1m"), "5m")).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", "1", "1", "off", "0 s"]);
    let missing = ["Connections", "Gateways"].map(|rows| format!("no: vpc:DescribeVpn{rows} is missing"));
    let peers = "no: vpc:DescribeCustomerGateways is missing";
    assert_eq!(output.row("main", FRANKFURT)[2..], [&*missing[0], &*missing[1], peers, "off", "0 s"]);
    assert_eq!(output.row("main", "ap-tokyo")[2..], ["no: the region has no VPN", "-", "-", "off", "0 s"]);
    assert_eq!(
        output.row("bad", GUANGZHOU)[2..],
        ["no: the credentials are refused", "-", "-", "off", "0 s"]
    );
    assert_eq!(output.row("none", GUANGZHOU)[0], "not called");
    assert_eq!(output.row("none", GUANGZHOU)[2..], ["no: there are no credentials", "-", "-", "off", "-"]);
    for problem in [
        "main in eu-frankfurt: UnauthorizedOperation: ",
        "bad in ap-guangzhou: AuthFailure.",
        "gone: there is no such file",
    ] {
        assert!(output.problems.contains(problem), "{problem:?} is not in {}", output.problems);
    }
    assert!(!output.problems.contains("main in ap-guangzhou"), "{}", output.problems);
}

#[tokio::test]
async fn missing_gateway_permission_does_not_fail() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let number = api.control.accounts()[0].number.clone();
    api.control.forbid(&number, "DescribeVpnGateways").expect("an account");
    let output = probe(&with_gateways(&api.config_with_poll(&[GUANGZHOU], "interval: 1m"), "5m")).await;
    assert!(output.status.success(), "{output:?}");
    let missing = "no: vpc:DescribeVpnGateways is missing";
    assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", missing, "1", "off", "0 s"]);
    let lines: Vec<_> = output.problems.lines().collect();
    assert!(
        matches!(lines[..], [line] if line.contains("vpc:DescribeVpnGateways") && line.contains("deploy/cam-policy.json")),
        "{output:?}"
    );
}

#[tokio::test]
async fn other_failure_of_gateways_fails() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let refused = FaultKind::Error { code: "InvalidParameter".to_owned() };
    let fault = Fault { action: Some("DescribeCustomerGateways".to_owned()), ..Fault::new(refused) };
    api.control.set_faults(vec![fault]).expect("faults");
    let output = probe(&with_gateways(&api.config_with_poll(&[GUANGZHOU], "interval: 1m"), "5m")).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", "1", "no: the request is refused", "off", "0 s"]);
}

#[tokio::test]
async fn disabled_gateways_are_not_requested() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let output = probe(&api.config_with_poll(&[GUANGZHOU], "interval: 1m")).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", "off", "off", "off", "0 s"]);
    assert_eq!(api.control.journal().len(), 1);
}

#[tokio::test]
async fn silent_api_is_not_reachable() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let config = api.config_with_poll(&[GUANGZHOU], "interval: 1m, timeout: 500ms");
    api.control.set_faults(vec![Fault::new(FaultKind::Reset)]).expect("faults");
    let output = probe(&config).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        output.row("main", GUANGZHOU),
        ["no", &*api.address.to_string(), "unknown", "-", "-", "off", "-"]
    );
}

#[tokio::test]
async fn wrong_clock_is_shown() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    for seconds in [120, -7200] {
        api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds })]).expect("faults");
        let output = probe(&api.config_with_poll(&[GUANGZHOU], "interval: 1m")).await;
        assert!(output.status.success(), "{output:?}");
        let offset: i64 = output.row("main", GUANGZHOU)[6].trim_end_matches(" s").parse().expect("a number");
        assert!((seconds - 3..=seconds + 3).contains(&offset), "{offset} instead of {seconds}");
    }
}

#[tokio::test]
async fn discovered_region_without_vpn_is_no_failure() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let offered = |name: &str| OfferedRegion { region: name.to_owned(), available: true };
    api.control.set_offered_regions(vec![offered(GUANGZHOU), offered("ap-tokyo")]);
    let account = api.account("main", &[]).replace("[]", "all");
    let config = with_gateways(&api.config_for(&[&account], "interval: 1m"), "5m");
    let output = probe(&config).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", "1", "1", "off", "0 s"]);
    assert_eq!(output.row("main", "ap-tokyo")[2], "no: the region has no VPN");

    let number = api.control.accounts()[0].number.clone();
    api.control.forbid(&number, "DescribeRegions").expect("an account");
    let output = probe(&config).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.row("main", "all")[2], "no: region:DescribeRegions is missing");
    assert!(output.problems.contains("main: region discovery failed: UnauthorizedOperation: "), "{output:?}");
}

#[tokio::test]
async fn bad_configuration_is_not_probed() {
    let output = probe("accounts: []\n").await;
    assert_eq!((output.status.code(), output.table.len()), (Some(64), 0), "{output:?}");
}

/// A configuration with traffic, of one account in these regions.
fn config_with_traffic(api: &Api, regions: &[&str], settings: &str) -> String {
    let config = with_gateways(&api.config_with_poll(regions, "interval: 1m"), "5m");
    with_traffic(&config, settings)
}

#[tokio::test]
async fn probe_estimates_the_requests_of_traffic() {
    let api = Api::start(frozen(&[(GUANGZHOU, 150), (FRANKFURT, 0)])).await;
    let output = probe(&config_with_traffic(&api, &[GUANGZHOU, FRANKFURT], "interval: 5m")).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.row("main", GUANGZHOU)[5..], ["yes", "0 s"]);
    assert_eq!(output.row("main", FRANKFURT)[5..], ["-", "0 s"], "it has no tunnel to query");
    // Six metrics of 150 tunnels and three of 15 gateways, ten in a request.
    assert_eq!(
        output.estimates,
        [
            "main: a query of traffic takes 96 requests, 829,440 a month; Cloud Monitor's free allowance is 1,000,000"
        ]
    );
    assert_eq!(output.problems, "");
    let journal = api.control.journal();
    let traffic: Vec<_> = journal.iter().filter(|entry| entry.action == "GetMonitorData").collect();
    assert!(matches!(traffic[..], [entry] if entry.ids.len() == 1), "{traffic:?}");

    let output = probe(&config_with_traffic(&api, &[GUANGZHOU], "interval: 1m")).await;
    assert!(output.status.success(), "a cost is no failure: {output:?}");
    assert!(
        output.problems.starts_with(
            "warning: main: traffic takes 4,147,200 requests a month, of which 1,000,000 are free;"
        ),
        "{output:?}"
    );
}

#[tokio::test]
async fn disabled_traffic_is_estimated_but_not_requested() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let output = probe(&api.config_with_poll(&[GUANGZHOU], "interval: 1m")).await;
    assert_eq!(output.row("main", GUANGZHOU)[5], "off");
    assert_eq!(
        output.estimates,
        [
            "main: traffic is off; with traffic.enabled: true a query takes 6 requests, 51,840 a month; Cloud Monitor's free allowance \
          is 1,000,000"
        ]
    );
    assert_eq!(api.control.journal().len(), 1);
}

#[tokio::test]
async fn only_missing_traffic_permission_is_no_failure() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    for (code, cell, is_ok, remedy) in [
        (
            "UnauthorizedOperation",
            "no: monitor:GetMonitorData is missing",
            true,
            "deploy/cam-policy-traffic.json",
        ),
        ("FailedOperation.ErrOwed", "no: the request is refused", false, "set traffic.enabled: false"),
    ] {
        let fault = Fault::new(FaultKind::Error { code: code.to_owned() });
        let fault = Fault { action: Some("GetMonitorData".to_owned()), ..fault };
        api.control.set_faults(vec![fault]).expect("a fault");
        let output = probe(&config_with_traffic(&api, &[GUANGZHOU], "interval: 5m")).await;
        assert_eq!(output.status.success(), is_ok, "{output:?}");
        assert_eq!(output.row("main", GUANGZHOU)[2..], ["2", "1", "1", cell, "0 s"]);
        let lines: Vec<_> = output.problems.lines().collect();
        let is_named = |line: &str| line.contains("traffic cannot be queried: ") && line.contains(remedy);
        assert!(matches!(lines[..], [line] if is_named(line)), "{output:?}");
    }
}
