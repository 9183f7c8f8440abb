//! The messages and the exit status of the process, especially after user errors.

use test_support::{
    Api,
    binary::{Process, SECRET, WorkDir, account, assert_exit, exporter, run},
    client, frozen, local,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    process::Command,
};

const GUANGZHOU: &str = "ap-guangzhou";

#[tokio::test]
async fn bad_configuration_has_place_and_remedy() {
    let negative = account(GUANGZHOU) + "poll: {interval: -30s}\n";
    let unknown_key = account(GUANGZHOU) + "poll: {intervall: 30s}\n";
    let config_with_misplaced_key = account(GUANGZHOU).replace("secret_key", "secret_kye");
    let cases: [(&str, &[u8], &[&str]); 7] = [
        ("not YAML", b"accounts: [\n", &["config.yml:2: is not valid YAML"]),
        (
            "not text",
            b"\x7fELF\x02\x01\xff\x00",
            &["config.yml:1: is not UTF-8; save the file in that encoding"],
        ),
        ("empty", b"", &["config.yml: is empty; list at least one account"]),
        ("only a comment", b"# accounts:\n", &["config.yml", "is empty; list at least one account"]),
        (
            "a negative interval",
            negative.as_bytes(),
            &["config.yml:5: poll.interval: \"-30s\" is not a duration: ", "; write one such as 30s"],
        ),
        ("an unknown key", unknown_key.as_bytes(), &["config.yml:5: poll.intervall", "interval"]),
        (
            "a misspelt secret",
            config_with_misplaced_key.as_bytes(),
            &["accounts[0].credentials.secret_kye", "secret_key"],
        ),
    ];
    for (case, config, words) in cases {
        let place = WorkDir::with(config);
        for command in [&["--web.listen-address", "127.0.0.1:0"][..], &["once"], &["check-config"]] {
            let ended = run(place.exporter(command)).await;
            assert_exit(&format!("{case}, {command:?}"), &ended, 64, words);
            assert_eq!(ended.stdout, "", "{case}");
        }
    }
}

#[tokio::test]
async fn missing_configuration_has_place_and_remedy() {
    let place = WorkDir::with("");
    let ended = run(exporter_in(&place, &["--config.file", "nowhere.yml"])).await;
    assert_exit("a missing file", &ended, 64, &["nowhere.yml: cannot be read: No such file"]);
    let ended = run(exporter_in(&place, &["--config.file", "."])).await;
    assert_exit("a folder", &ended, 64, &[".: cannot be read: it is a directory; name a file in it"]);
    let words = ["TENCENTCLOUD_REGION: is not set; list regions there", "--config.file"];
    for command in [&[][..], &["once"], &["check-config"]] {
        let ended = run(exporter(command)).await;
        assert_exit("nothing at all", &ended, 64, &words);
    }
}

fn exporter_in(place: &WorkDir, arguments: &[&str]) -> Command {
    let mut command = exporter(arguments);
    command.current_dir(place.folder());
    command
}

#[tokio::test]
async fn bad_flag_has_a_remedy() {
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--no-such-flag"], &["--no-such-flag", "--help"]),
        (&["--web.listen-addres", ":1"], &["--web.listen-address"]),
        (&["no-such-command"], &["no-such-command", "--help"]),
        (&["--web.telemetry-path", "metrics"], &["--web.telemetry-path", "`metrics`", "/metrics"]),
        (&["--web.telemetry-path", "/-/ready"], &["--web.telemetry-path", "not below `/-/`"]),
        (&["--web.listen-address", "14500"], &["--web.listen-address", "write host:port, such as :14500"]),
        (
            &["--web.listen-address", ":99999"],
            &["--web.listen-address", "the port is not a number up to 65535"],
        ),
        (&["--log.level", "loud"], &["--log.level", "write error, warn, info, debug, trace"]),
        (&["--log.format", "xml"], &["--log.format", "logfmt", "json"]),
    ];
    for (flags, words) in cases {
        let ended = run(exporter(flags)).await;
        assert_exit(&flags.join(" "), &ended, 64, words);
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn port_in_use_has_a_remedy() {
    let taken = TcpListener::bind(local()).await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let place = WorkDir::with(account(GUANGZHOU));
    let words = ["cannot listen on", &address, "already in use", "--web.listen-address"];
    let ended = run(place.exporter(&["--web.listen-address", &address])).await;
    assert_exit("the daemon", &ended, 1, &words);
    let ended = run(exporter(&["demo", "--web.listen-address", &address])).await;
    assert_exit("the demo", &ended, 1, &words);
    assert_eq!(ended.stdout, "", "it does not print an address that it does not listen on");
    let ended = run(exporter(&["simulate", "--listen-address", &address])).await;
    assert_exit("the simulator", &ended, 1, &["cannot listen on", &address]);
}

#[tokio::test]
async fn version_and_help_exit_with_0() {
    let ended = run(exporter(&["--version"])).await;
    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.stderr, "");
    let lines: Vec<_> = ended.stdout.lines().collect();
    let [version, rustc, platform] = lines[..] else { panic!("{}", ended.stdout) };
    let name = concat!("tencentcloud-vpn-exporter, version ", env!("CARGO_PKG_VERSION"), " (revision: ");
    assert!(version.starts_with(name) && version.ends_with(')'), "{version}");
    assert!(rustc.starts_with("  rustc version: 1."), "{rustc}");
    assert!(platform.starts_with(&format!("  platform:      {}/", std::env::consts::OS)), "{platform}");
    assert_eq!(run(exporter(&["once", "--version"])).await.stdout, ended.stdout);

    let ended = run(exporter(&["--help"])).await;
    assert_eq!(ended.code(), Some(0));
    for word in ["--config.file", "--web.listen-address", "[default: :14500]", "demo", "once", "check-config"]
    {
        assert!(ended.stdout.contains(word), "no {word} in {}", ended.stdout);
    }
}

#[tokio::test]
async fn full_output_fails_and_closed_output_is_silent() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let place = WorkDir::with(api.config_with_poll(&[GUANGZHOU], "timeout: 25s"));
    for subcommand in ["once", "check-config"] {
        let ended = run(redirected(&place.exporter(&[subcommand]), ">/dev/full")).await;
        assert_exit(subcommand, &ended, 1, &["cannot write to standard output"]);
        let quiet = place.exporter(&[subcommand, "--log.level", "warn"]);
        let ended = run(redirected(&quiet, "| true")).await;
        assert_eq!(ended.stderr, "", "{subcommand}");
    }
    let ended =
        run(redirected(&exporter(&["demo", "--web.listen-address", "127.0.0.1:0"]), ">/dev/full")).await;
    assert_exit("demo", &ended, 1, &["cannot write to standard output"]);
    let ended = run(redirected(&exporter(&["--no-such-flag"]), "2>/dev/full")).await;
    assert_exit("a bad flag and no standard error", &ended, 64, &[]);
    let ended = run(redirected(&exporter(&["--config.file", "/nowhere"]), "2>/dev/full")).await;
    assert_exit("a bad configuration and no standard error", &ended, 64, &[]);
}

/// The same command in a shell with a redirection.
fn redirected(command: &Command, redirection: &str) -> Command {
    let command = command.as_std();
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("\"$0\" \"$@\" {redirection}")]).arg(command.get_program());
    shell.args(command.get_args()).env_clear().env("PATH", "/usr/bin:/bin");
    shell.current_dir(command.get_current_dir().unwrap_or(std::path::Path::new("/")));
    shell
}

#[tokio::test]
async fn once_reports_failures_and_exits_with_1() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let closed = closed_port();
    for Failing { case, config, words } in failing(&api, &closed) {
        let ended = run(WorkDir::with(config).exporter(&["once"])).await;
        assert_exit(case, &ended, 1, &words.each_ref().map(String::as_str));
        assert!(ended.stderr.lines().any(|line| line.starts_with("main in ap-")), "{case}: {}", ended.stderr);
        assert!(ended.stdout.contains("tencentcloud_vpn_up{account=\"main\",region="), "{case}");
    }
}

#[tokio::test]
async fn failing_polls_are_logged_once() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let closed = closed_port();
    for Failing { case, config, words } in failing(&api, &closed) {
        let place = WorkDir::with(config);
        let daemon = place.daemon(&[]).await;
        let metrics = daemon.until(|metrics| metrics.sum("polls_total", &[]) >= 3.0).await;
        assert_eq!(metrics.value("up", &[]), Some(0.0), "{case}");
        assert_eq!(metrics.sum("poll_failures_total", &[]), metrics.sum("polls_total", &[]), "{case}");
        assert_eq!(metrics.count("tunnel_up", &[]), 0, "{case}");
        daemon.signal("TERM").await;
        let ended = daemon.wait().await;
        assert_exit(case, &ended, 0, &words.each_ref().map(String::as_str));
        assert_eq!(ended.stderr.matches("poll failed").count(), 1, "{case}: {}", ended.stderr);
    }
}

/// A valid configuration whose polls all fail.
struct Failing {
    case: &'static str,
    config: String,
    /// The words that the messages must contain.
    words: [String; 2],
}

fn failing(api: &Api, closed: &TcpSocket) -> [Failing; 4] {
    let good = api.config_with_poll(&[GUANGZHOU], "interval: 50ms, timeout: 20s");
    let credentials = api.control.credentials();
    let [open, closed] =
        [api.address, closed.local_addr().expect("an address")].map(|address| format!("http://{address}"));
    let words = |words: [&str; 2]| words.map(str::to_owned);
    let refused = || words(["AuthFailure", "check the account's credentials"]);
    let wrong_key = good.replace(&credentials.secret_key, SECRET);
    let wrong_id = good.replace(&credentials.secret_id, "AKIDwrong").replace(&credentials.secret_key, SECRET);
    [
        Failing { case: "a wrong key", config: wrong_key, words: refused() },
        Failing { case: "a wrong id", config: wrong_id, words: refused() },
        Failing {
            case: "an unknown region",
            config: good.replace(GUANGZHOU, "ap-nowhere"),
            words: words(["UnsupportedRegion", "check the spelling of the region"]),
        },
        Failing {
            case: "an unreachable endpoint",
            config: good.replace(&open, &closed).replace("timeout: 20s", "timeout: 800ms"),
            words: words([
                &format!("{closed}/: Connection refused"),
                "check the account's site or api.endpoint, the network and any proxy",
            ]),
        },
    ]
}

/// A reserved port that refuses connections.
fn closed_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(local()).expect("a free port");
    socket
}

#[tokio::test]
async fn demo_has_tunnels_and_prints_its_addresses() {
    let demo = Process::start_daemon(exporter(&["demo", "--web.listen-address", "127.0.0.1:0"])).await;
    let metrics = demo.until(|metrics| metrics.sum("tunnels", &[]) == 24.0).await;
    assert_eq!(metrics.sum("up", &[]), 3.0);

    let line = demo.stdout.line(&["http://"]).await;
    let urls: Vec<_> = line.split(' ').filter(|word| word.starts_with("http://")).collect();
    assert_eq!(urls.len(), 2, "{line}");
    for (url, content) in urls.iter().zip(["<title>", "tencentcloud_vpn_tunnel_up{"]) {
        let answer = client().get(url.trim_end_matches(',')).send().await.expect("an answer");
        assert!(answer.text().await.expect("a body").contains(content), "{url}");
    }
    demo.signal("INT").await;
    assert_exit("the demo", &demo.wait().await, 0, &["signal=SIGINT", "shutting down"]);
}

#[tokio::test]
async fn missing_secret_file_causes_a_warning() {
    let account = "accounts: [{name: main, regions: [eu-frankfurt], \
                   credentials: {type: static, secret_id: AKIDexample, secret_key_file: later}}]\n";
    let ended = run(WorkDir::with(account).exporter(&["check-config"])).await;
    assert_exit("a missing file", &ended, 0, &["warning: later: there is no such file"]);
}
