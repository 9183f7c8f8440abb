//! The real binary, as a user starts it: its output, log, signals and exit status.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{MAX_WAIT, Metrics, local, with_timeout};

/// The path of the binary. Cargo sets this variable when it runs a test.
pub fn path() -> String {
    std::env::var("CARGO_BIN_EXE_tencentcloud-vpn-exporter").expect("Cargo runs this test")
}

/// A secret for configurations; no output may contain it.
pub const SECRET: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";

/// A configuration of one account and region, with credentials that the API refuses.
pub fn account(region: &str) -> String {
    format!(
        "accounts:\n- name: main\n  regions: [{region}]\n  \
         credentials: {{type: static, secret_id: AKIDexample, secret_key: {SECRET}}}\n"
    )
}

/// The exporter with these arguments and an empty environment.
pub fn exporter(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    command.args(arguments).env_clear();
    command
}

/// A folder in which the exporter is started, with a configuration file.
pub struct WorkDir(TempDir);

impl WorkDir {
    /// A folder with a `config.yml` of this content.
    pub fn with(config: impl AsRef<[u8]>) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.write("config.yml", config);
        place
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("the file can be written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The exporter with the file here and these further arguments.
    pub fn exporter(&self, arguments: &[&str]) -> Command {
        let mut command = exporter(arguments);
        command.args(["--config.file", "config.yml"]).current_dir(self.folder());
        command
    }

    /// The daemon with the file here, on a free port.
    pub async fn daemon(&self, arguments: &[&str]) -> Process {
        let mut command = self.exporter(arguments);
        command.args(["--web.listen-address", "127.0.0.1:0"]);
        Process::start_daemon(command).await
    }
}

/// Runs a program until it exits.
pub async fn run(command: Command) -> Finished {
    Process::start(command).wait().await
}

/// A running program; it is killed when this is dropped.
pub struct Process {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
    /// The address; set only by `start_daemon`.
    address: Option<SocketAddr>,
}

/// The exit status and the output of a program.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The exit status; `None` if a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Asserts the exit status of a program, and that its standard error contains these words, no panic and no secret.
#[track_caller]
pub fn assert_exit(case: &str, finished: &Finished, status: i32, words: &[&str]) {
    let Finished { stdout, stderr, .. } = finished;
    assert_eq!(finished.code(), Some(status), "{case}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{case}: no {word:?} in {stderr:?}");
    }
    for output in [stdout, stderr] {
        for never in [SECRET, "panicked", "RUST_BACKTRACE"] {
            assert!(!output.contains(never), "{case}: {never} in {output:?}");
        }
    }
}

impl Process {
    /// Starts a program.
    pub fn start(command: Command) -> Self {
        Self::start_with_stdin(command, Stdio::null())
    }

    /// Starts a program with this standard input.
    pub fn start_with_stdin(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Lines::of(child.stdout.take().expect("its standard output is piped"));
        let stderr = Lines::of(child.stderr.take().expect("its standard error is piped"));
        Self { child, stdout, stderr, address: None }
    }

    /// Starts the exporter and waits until it listens.
    pub async fn start_daemon(command: Command) -> Self {
        Self::start(command).listening().await
    }

    /// Waits until the exporter listens.
    pub async fn listening(mut self) -> Self {
        let line = self.stderr.line(&["listening", "address"]).await;
        let (_, address) = line.split_once("address").expect("the line has it");
        let address = address.trim_start_matches(['=', '"', ':']).split([' ', '"']).next();
        self.address = address.and_then(|address| address.parse().ok());
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("the process was started by start_daemon")
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    pub async fn scrape(&self) -> Metrics {
        crate::scrape(self.address()).await
    }

    /// Scrapes until the metrics fulfil a condition, and returns them.
    #[track_caller]
    pub fn until(&self, condition: impl Fn(&Metrics) -> bool) -> impl Future<Output = Metrics> {
        crate::scrape_until(self.address(), condition)
    }

    /// Sends it a signal, such as `TERM`.
    pub async fn signal(&self, name: &str) {
        signal(self.id(), name).await;
    }

    /// Waits until the program exits.
    pub async fn wait(mut self) -> Finished {
        let status = timeout(MAX_WAIT, self.child.wait()).await;
        let status =
            status.unwrap_or_else(|_| panic!("the program does not exit; it wrote:\n{}", self.stderr));
        let status = status.expect("it can be waited for");
        Finished { status, stdout: self.stdout.all().await, stderr: self.stderr.all().await }
    }
}

/// Sends a process a signal, such as `TERM`.
pub async fn signal(id: u32, name: &str) {
    let kill = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id.to_string()]).status().await;
    assert!(kill.expect("a shell").success(), "process {id} cannot be sent {name}");
}

/// The lines that a program writes.
#[derive(Debug, Clone)]
pub struct Lines(watch::Receiver<Vec<String>>);

impl Lines {
    fn of(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, lines) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream).split(b'\n');
            while let Some(line) = stream.next_segment().await.expect("the stream can be read") {
                let line = String::from_utf8(line).expect("it writes UTF-8");
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Self(lines)
    }

    /// The lines so far.
    pub fn now(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// The lines so far that contain all of these words.
    pub fn with(&self, words: &[&str]) -> Vec<String> {
        self.now().into_iter().filter(|line| has(line, words)).collect()
    }

    /// Waits until a line contains all of these words, and returns it.
    pub async fn line(&self, words: &[&str]) -> String {
        self.lines(words, 1).await.remove(0)
    }

    /// Waits until `count` lines contain all of these words, and returns them.
    pub async fn lines(&self, words: &[&str], count: usize) -> Vec<String> {
        let mut lines = self.0.clone();
        let found = |lines: &Vec<String>| lines.iter().filter(|line| has(line, words)).count() >= count;
        match timeout(MAX_WAIT, lines.wait_for(found)).await {
            Ok(Ok(_)) => self.with(words),
            _ => panic!("no line with {words:?}; the lines are:\n{self}"),
        }
    }

    /// Waits until the stream is closed, and returns all lines.
    async fn all(mut self) -> String {
        let closed = async { while self.0.changed().await.is_ok() {} };
        timeout(Duration::from_secs(5), closed).await.expect("no child process keeps the stream open");
        self.to_string()
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.borrow().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn has(line: &str, words: &[&str]) -> bool {
    words.iter().all(|word| line.contains(word))
}

/// Starts the daemon with an API that never responds, sends the daemon a signal, and asserts that it stops.
pub async fn assert_stops_during_a_poll(mut command: Command, name: &str, daemon: fn(&Process) -> u32) {
    let silent = TcpListener::bind(local()).await.expect("a free port");
    let endpoint = silent.local_addr().expect("an address");
    let patient = format!(
        "api: {{endpoint: 'http://{endpoint}', request_timeout: 1h}}\n\
         poll: {{interval: 2h, timeout: 1h, stale_after: 4h}}\n"
    );
    let place = WorkDir::with(account("ap-guangzhou") + &patient);
    command.args(["--config.file", "config.yml", "--web.listen-address", "127.0.0.1:0"]);
    command.current_dir(place.folder());
    let process = Process::start_daemon(command).await;
    let _request = with_timeout(silent.accept()).await.expect("a request of a poll");
    signal(daemon(&process), name).await;
    let finished = process.wait().await;
    assert_exit(name, &finished, 0, &[&format!("signal=SIG{name}"), "shutting down"]);
}
