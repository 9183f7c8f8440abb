//! The program never writes a secret: all its output, also after failures, is searched for every key, token,
//! external id and pre-shared key that the test uses.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::recording_proxy::RecordingProxy;
use aho_corasick::AhoCorasick;
use futures_util::future::join_all;
use simulator::{Fault, FaultKind, Options, PRE_SHARE_KEY_MARK, Role, TOKEN_MARK, WebIdentity};
use tempfile::TempDir;
use test_support::{Api, MAX_WAIT, Metrics, frozen};
use tokio::process::{Child, Command};

const REGION: &str = "ap-guangzhou";
const OTHER_ACCOUNT: &str = "200000000002";
const EXTERNAL_ID: &str = "SECRET-external-id-of-the-role";
const WEB_TOKEN: &str = "SECRET-web-identity-token-of-the-pod";
const WRONG_KEY: &str = "SECRET-key-that-was-never-good";

/// The formats of the log.
const LOGS: [&[&str]; 3] = [
    &["--log.level=trace", "--log.format=logfmt"],
    &["--log.level=trace", "--log.format=json"],
    &["--log.level=trace,hyper=trace,h2=trace,reqwest=trace,rustls=trace"],
];

/// All output of the program.
#[derive(Default)]
struct CapturedOutput(String);

impl CapturedOutput {
    fn append(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    /// The secrets that appear in the output.
    fn leaks(&self, secrets: &BTreeSet<String>) -> BTreeSet<String> {
        let each = |secret: &String| {
            search_patterns(secret).into_iter().map({
                let secret = secret.clone();
                move |trace| (trace, secret.clone())
            })
        };
        let (traces, secrets): (Vec<_>, Vec<_>) = secrets.iter().flat_map(each).unzip();
        let search = AhoCorasick::new(traces).expect("not too many traces");
        search
            .find_overlapping_iter(&self.0)
            .map(|found| secrets[found.pattern().as_usize()].clone())
            .collect()
    }
}

/// The patterns to search for a secret: its prefix if it has one, otherwise each half, as text or as bytes.
fn search_patterns(secret: &str) -> Vec<String> {
    if let Some(mark) = [TOKEN_MARK, PRE_SHARE_KEY_MARK].into_iter().find(|mark| secret.starts_with(mark)) {
        return vec![mark.to_owned()];
    }
    let (one, other) = secret.split_at(secret.len() / 2);
    let bytes = format!("{:?}", one.as_bytes());
    vec![one.to_owned(), other.to_owned(), bytes.trim_matches(['[', ']']).to_owned()]
}

/// The simulated cloud, and a machine in it.
struct TestEnvironment {
    api: Api,
    proxy: RecordingProxy,
    files: TempDir,
}

impl TestEnvironment {
    async fn new() -> Self {
        let role = |name: &str, external_id: Option<&str>| Role {
            account: OTHER_ACCOUNT.to_owned(),
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
        };
        let web_identity = WebIdentity { provider_id: "tke".to_owned(), token: WEB_TOKEN.to_owned() };
        let options = Options {
            roles: vec![role("reader", Some(EXTERNAL_ID)), role("open", None)],
            instance_role: Some("watcher".to_owned()),
            web_identity: Some(web_identity),
            token_lifetime: Some(Duration::from_secs(3)),
            accounts: 2,
            requests_per_second: 1_000_000,
            ..frozen(&[(REGION, 3)])
        };
        let api = Api::start(options).await;
        let proxy = RecordingProxy::start(api.address).await;
        let environment = Self { api, proxy, files: tempfile::tempdir().expect("a folder") };
        let (id, key) = environment.key_pair();
        environment.proxy.add_key_pair(&id, &key);
        environment
            .proxy
            .add_key_pair(&environment.api.control.accounts()[1].credentials.secret_id, WRONG_KEY);
        let role = "role_arn = qcs::cam::uin/200000000002:roleName/open";
        for (name, content) in [
            ("ca.pem", environment.proxy.certificate.as_str()),
            ("id", &id),
            ("key", &key),
            ("two-keys", &format!("{key} {key}")),
            ("token", WEB_TOKEN),
            (
                ".tencentcloud/credentials",
                &format!("[default]\nsecret_id = {id}\nsecret_key = {key}\n{role}\n"),
            ),
            ("config.yml", &environment.config()),
            ("misplaced.yml", &environment.config_with_misplaced_key()),
            ("broken.yml", &format!("accounts:\n- secret_key: \"{key}\n  x: {key}\n")),
        ] {
            let path = environment.path(name);
            fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        environment
    }

    /// A configuration with the key in wrong places.
    fn config_with_misplaced_key(&self) -> String {
        let (_, key) = self.key_pair();
        let credentials = format!("{{type: {key}, secret_key: [{key}], token: {key}}}");
        format!(
            "secret_key: {key}\npoll: {{secret_key: {key}}}\naccounts: [{key}, {{name: a, credentials: {credentials}}}]\n"
        )
    }

    fn key_pair(&self) -> (String, String) {
        let credentials = self.api.control.credentials();
        (credentials.secret_id.clone(), credentials.secret_key.clone())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// One account for each credential source, and some accounts with invalid credentials.
    fn config(&self) -> String {
        let (id, key) = self.key_pair();
        let other_id = &self.api.control.accounts()[1].credentials.secret_id;
        let assumed = |external_id: &str| {
            format!(
                "{{type: environment}}\n  assume_role: {{role_arn: 'qcs::cam::uin/{OTHER_ACCOUNT}:roleName/reader', external_id: {external_id}}}"
            )
        };
        let accounts = [
            ("good", format!("{{type: static, secret_id: {id}, secret_key: {key}}}")),
            ("wrong-key", format!("{{type: static, secret_id: {other_id}, secret_key: {WRONG_KEY}}}")),
            ("swapped", format!("{{type: static, secret_id: {key}, secret_key: {id}}}")),
            ("files", "{type: static, secret_id_file: id, secret_key_file: key}".to_owned()),
            ("two-keys", "{type: static, secret_id_file: id, secret_key_file: two-keys}".to_owned()),
            ("profile", "{type: profile}".to_owned()),
            ("instance", "{type: instance_role}".to_owned()),
            ("pod", "{type: workload_identity}".to_owned()),
            ("assumed", assumed(EXTERNAL_ID)),
            ("default", "{type: default}".to_owned()),
        ];
        let entry = |(name, credentials): &(&str, String)| {
            let regions = if *name == "default" { "all" } else { "[ap-guangzhou]" };
            format!("- name: {name}\n  regions: {regions}\n  credentials: {credentials}\n")
        };
        format!(
            "poll: {{interval: 500ms, timeout: 1s, stale_after: 2s}}\n\
             api: {{endpoint: 'https://localhost:{}', metadata_endpoint: 'http://{}', ca_file: ca.pem, requests_per_second: 100}}\n\
             accounts:\n{}",
            self.proxy.api.port(),
            self.proxy.metadata,
            accounts.iter().map(entry).collect::<String>()
        )
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let (id, key) = self.key_pair();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.files.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
            .env("HOME", self.files.path())
            .env("TENCENTCLOUD_SECRET_ID", id)
            .env("TENCENTCLOUD_SECRET_KEY", key);
        command.env("TKE_REGION", REGION).env("TKE_PROVIDER_ID", "tke");
        command.env("TKE_WEB_IDENTITY_TOKEN_FILE", self.path("token"));
        command.env("TKE_ROLE_ARN", format!("qcs::cam::uin/{OTHER_ACCOUNT}:roleName/open"));
        command
    }

    /// Runs a command and returns all its output.
    async fn run(&self, command: &str, config: &str) -> String {
        let flags = [&format!("--config.file={config}"), LOGS[2][0]];
        let arguments: Vec<&str> = command.split(' ').chain(flags).collect();
        let mut program = self.program(&arguments);
        // One good poll must end in time, also while other tests use the machine.
        program.env("TENCENTCLOUD_VPN_EXPORTER__POLL__TIMEOUT", "5s");
        let output = program.output().await.expect("the program runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// The failures, and for each the log text that proves that it happened.
    fn failures(&self) -> [(Failure, &'static str); 8] {
        let (_, key) = self.key_pair();
        let page = FaultKind::Body { content_type: "text/html".to_owned(), text: format!("<p>{key}</p>") };
        let skew = FaultKind::ClockSkew { seconds: 4000 };
        let no_expiry = FaultKind::Remove { pointer: "/Response/ExpiredTime".to_owned() };
        [
            (Failure::Echo("AuthFailure.TokenFailure"), "AuthFailure.TokenFailure: (redacted)"),
            (Failure::Echo("UnauthorizedOperation"), "UnauthorizedOperation: (redacted)"),
            (Failure::Echo("InternalError"), "InternalError: (redacted)"),
            (Failure::Fault(page), "malformed response: it is not a JSON object"),
            (Failure::Fault(FaultKind::Status { status: 502, retry_after: None }), "HTTP status 502"),
            (Failure::Fault(skew), "clock differs from the"),
            (Failure::Revoked(Some(no_expiry)), "ExpiredTime is missing"),
            (Failure::Revoked(None), "The token was revoked."),
        ]
    }

    fn set(&self, failure: Option<&Failure>) {
        let faults = match failure {
            Some(Failure::Fault(kind) | Failure::Revoked(Some(kind))) => vec![Fault::new(kind.clone())],
            _ => vec![],
        };
        self.api.control.set_faults(faults).expect("faults that can happen");
        self.proxy.set_echo_error(match failure {
            Some(Failure::Echo(code)) => Some(code),
            _ => None,
        });
        if matches!(failure, Some(Failure::Revoked(_))) {
            self.api.control.revoke_tokens();
        }
    }

    /// Keeps revoking tokens: a daemon may have had no valid token at the first revocation.
    async fn keep_revoking(&self, failure: &Failure) -> Infallible {
        if !matches!(failure, Failure::Revoked(None)) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.api.control.revoke_tokens();
        }
    }
}

enum Failure {
    /// Every response is an error with this code, which echoes the request and the key.
    Echo(&'static str),
    /// This fault affects every request.
    Fault(FaultKind),
    /// Temporary credentials are revoked, and this fault affects every request for new ones.
    Revoked(Option<FaultKind>),
}

/// The daemon, writing to files.
struct Daemon {
    _process: Child,
    address: String,
    outputs: [PathBuf; 2],
}

impl Daemon {
    async fn start(environment: &TestEnvironment, name: &str, log: &[&str]) -> Self {
        let outputs = ["stdout", "stderr"].map(|stream| environment.path(&format!("{name}.{stream}")));
        let [stdout, stderr] = outputs.each_ref().map(|path| File::create(path).expect("a file"));
        let flags =
            ["--config.file=config.yml", "--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle"];
        let process = environment.program(&[&flags, log].concat()).stdout(stdout).stderr(stderr).spawn();
        let process = process.expect("the program starts");
        let deadline = Instant::now() + MAX_WAIT;
        let address = loop {
            let text = fs::read_to_string(&outputs[1]).expect("a log");
            let line = text.lines().find(|line| line.contains("listening"));
            if let Some((_, rest)) = line.and_then(|line| line.split_once("127.0.0.1:")) {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break format!("127.0.0.1:{port}");
            }
            assert!(Instant::now() < deadline, "the daemon does not listen: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        Self { _process: process, address, outputs }
    }

    async fn get(&self, path: &str) -> String {
        let response = test_support::client().get(format!("http://{}{path}", self.address)).send().await;
        let response = response.expect("a response");
        format!("{:?}\n{}", response.headers().clone(), response.text().await.expect("a body"))
    }

    /// Waits for one more poll of an account with valid credentials, and returns the responses of the daemon.
    async fn wait_for_poll(&self) -> String {
        let polls = async || {
            let response = self.get("/metrics").await;
            let (_, metrics) = response.split_once('\n').expect("headers and a body");
            Metrics::parse(metrics).sum("polls_total", &[("account", "good")])
        };
        let before = polls().await;
        self.until("it does not poll", async || polls().await > before).await
    }

    /// Waits until the log contains this once more, and returns the responses of the daemon.
    async fn wait_for_log(&self, words: &str) -> String {
        let times = || self.log().matches(words).count();
        let before = times();
        self.until(words, async || times() > before).await
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) -> String {
        let deadline = Instant::now() + MAX_WAIT;
        while !condition().await {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.outputs);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let paths = ["/metrics", "/", "/?account=good", "/-/ready", "/-/healthy", "/nowhere"];
        join_all(paths.map(|path| self.get(path))).await.join("\n")
    }

    fn log(&self) -> String {
        self.outputs.each_ref().map(|path| fs::read_to_string(path).expect("a log")).concat()
    }
}

#[tokio::test]
async fn program_never_writes_a_secret() {
    let environment = TestEnvironment::new().await;
    let mut output = CapturedOutput::default();
    let mut daemons = Vec::new();
    for (number, log) in LOGS.iter().enumerate() {
        daemons.push(Daemon::start(&environment, &format!("daemon-{number}"), log).await);
    }
    for (failure, known_by) in environment.failures() {
        // All daemons at the same time, since pauses grow while credentials are refused.
        environment.set(None);
        output.append(join_all(daemons.iter().map(Daemon::wait_for_poll)).await.concat());
        environment.set(Some(&failure));
        let logs = join_all(daemons.iter().map(|daemon| daemon.wait_for_log(known_by)));
        tokio::select! {
            lines = logs => output.append(lines.concat()),
            never = environment.keep_revoking(&failure) => match never {},
        }
        if matches!(failure, Failure::Echo("InternalError") | Failure::Revoked(None)) {
            let commands = [
                "check-config --probe",
                "once",
                "tunnels list",
                "tunnels list --output=json",
                "gateways list",
            ];
            let written = commands.map(|command| environment.run(command, "config.yml"));
            output.append(join_all(written).await.concat());
        }
    }
    for file in ["misplaced.yml", "broken.yml", "key", "token", "ca.pem"] {
        output.append(environment.run("check-config", file).await);
    }
    for daemon in &daemons {
        output.append(daemon.log());
    }
    for part in [
        "SignatureFailure",
        "white space or other characters",
        "credentials renewed",
        "starting new connection",
    ] {
        assert!(output.0.contains(part), "{part:?} is not in the output");
    }
    assert!(environment.proxy.requests() > 50, "{} requests", environment.proxy.requests());
    for shown in
        ["tencentcloud_vpn_tunnel_up{", "</html>", "CUSTOMER GATEWAYS", "NET STATUS", "\"remote_identity\":"]
    {
        assert!(output.0.contains(shown), "{shown:?} is not in the output");
    }
    let mut secrets = environment.proxy.secrets();
    assert!(secrets.len() > 30, "only {} secrets were used", secrets.len());
    secrets.extend([EXTERNAL_ID, WEB_TOKEN, WRONG_KEY].map(str::to_owned));
    assert_eq!(output.leaks(&secrets), BTreeSet::new());
}

#[test]
fn written_secret_is_found() {
    let key = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
    let (token, shared) = (format!("{TOKEN_MARK}rest"), format!("{PRE_SHARE_KEY_MARK}vpnx-1"));
    let secrets = BTreeSet::from([key, &token, &shared, EXTERNAL_ID].map(str::to_owned));
    let mut clean = CapturedOutput::default();
    clean.append("level=trace msg=\"request sent\" key=Gu5t9xGAR role=simulated-");
    assert_eq!(clean.leaks(&secrets), BTreeSet::new());
    for (written, found) in [
        (format!(r#"{{"level":"TRACE","key":"{key}"}}"#), key),
        (format!("msg=\"cut off: {}…", &key[..20]), key),
        (format!("…{} (request 6a9e)", &key[12..]), key),
        (format!("body={:?}", format!("x {key}").as_bytes()), key),
        (format!("x-tc-token: {token}"), &token),
        (format!("the role asks for {EXTERNAL_ID}"), EXTERNAL_ID),
        (format!("PreShareKey={shared}"), &shared),
    ] {
        let mut planted = CapturedOutput(clean.0.clone());
        planted.append(written);
        assert_eq!(planted.leaks(&secrets), BTreeSet::from([found.to_owned()]), "{}", planted.0);
    }
}
