//! The process while nothing reads its log, or while a pipe replaces a file.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::OwnedFd,
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use test_support::{
    Api, MAX_WAIT, Metrics,
    binary::{Process, WorkDir, account, assert_exit, exporter, run, signal},
    client, frozen, local, scrape_until, with_timeout,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    time::sleep,
};

const GUANGZHOU: &str = "ap-guangzhou";

#[tokio::test]
async fn unread_log_blocks_nothing() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let place =
        WorkDir::with(api.config_with_poll(&[GUANGZHOU], "interval: 10ms, timeout: 10s, stale_after: 1h"));
    // Much more than the buffer of a socket.
    let level = "info,hyper=trace,hyper_util=trace,reqwest=trace";
    let mut command = place.exporter(&["--web.listen-address", "127.0.0.1:0", "--log.level", level]);
    // Both outputs in one, as with `2>&1`.
    let (here, there) = UnixStream::pair().expect("sockets");
    command.stdout(OwnedFd::from(there.try_clone().expect("another handle"))).stderr(OwnedFd::from(there));
    let mut daemon = command.kill_on_drop(true).spawn().expect("it starts");
    here.set_nonblocking(true).expect("a socket");
    let mut log = BufReader::new(tokio::net::UnixStream::from_std(here).expect("a socket")).lines();
    let address = loop {
        let line = with_timeout(log.next_line()).await.expect("lines").expect("it says its address");
        if let Some((_, address)) = line.split_once("address=") {
            break address.split(' ').next().expect("a word").parse().expect("an address");
        }
    };
    let metrics = scrape_until(address, |metrics| metrics.sum("polls_total", &[]) >= 300.0).await;
    assert_eq!(metrics.sum("up", &[]), 1.0);
    signal(daemon.id().expect("it runs"), "TERM").await;
    assert_eq!(with_timeout(daemon.wait()).await.expect("an end").code(), Some(0));
}

#[tokio::test]
async fn pipes_instead_of_files_are_refused() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let key = api.control.credentials().secret_key.clone();
    let config = api.config(&[GUANGZHOU]).replace(&format!("secret_key: '{key}'"), "secret_key_file: key");
    let files = [
        ("key", key.as_str()),
        ("config.yml", &config),
        ("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n"),
    ];
    let place = WorkDir::with(&config);
    for (name, content) in files {
        place.write(name, content);
    }
    let daemon = place.daemon(&["--web.config.file", "web.yml"]).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;

    let is_blind = |metrics: &Metrics| metrics.count("up", &[]) == 1 && metrics.sum("up", &[]) == 0.0;
    for (name, _) in files {
        replace_with_pipe(&place.path(name));
    }
    daemon.signal("HUP").await;
    let metrics = daemon.until(is_blind).await;
    assert_eq!(metrics.count("tunnel_up", &[]), 3);
    assert!(metrics.sum("poll_failures_total", &[("reason", "credentials")]) >= 1.0);
    let health = client().get(format!("http://{}/-/healthy", daemon.address())).send().await;
    assert_eq!(health.expect("an answer").status(), 200);
    daemon
        .stderr
        .line(&[
            "configuration not reloaded",
            "config.yml: cannot be read: it is a pipe, a socket or a device",
        ])
        .await;
    daemon.stderr.line(&["level=WARN", "key: it is a pipe, a socket or a device"]).await;
    // The file is read when a client connects.
    daemon.until(|_| !daemon.stderr.with(&["web.yml: it is a pipe, a socket or a device"]).is_empty()).await;

    for (name, content) in files {
        place.write("new", content);
        fs::rename(place.path("new"), place.path(name)).expect("it takes the pipe's place");
    }
    daemon.signal("HUP").await;
    daemon.stderr.line(&["configuration reloaded"]).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
    replace_with_pipe(&place.path("key"));
    daemon.until(is_blind).await;
    daemon.signal("TERM").await;
    assert_eq!(daemon.wait().await.code(), Some(0));
}

/// All commands that run until a signal handle signals in the same way; only this file may be a pipe.
#[tokio::test]
async fn signal_stops_a_slow_start() {
    for name in ["TERM", "INT"] {
        let place = WorkDir::with(account(GUANGZHOU));
        replace_with_pipe(&place.path("faults"));
        let mut command = exporter(&["simulate", "--listen-address", "127.0.0.1:0", "--faults", "faults"]);
        command.current_dir(place.folder());
        let process = Process::start(command);
        let _held = open_when_read(&place.path("faults")).await;
        process.signal("HUP").await;
        process.signal(name).await;
        assert_exit(name, &process.wait().await, 0, &[&format!("signal=SIG{name}"), "shutting down"]);
    }
}

#[tokio::test]
async fn hung_authorities_block_neither_health_nor_exit() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let place = WorkDir::with(api.config(&[GUANGZHOU]));
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    place.write("system.pem", certificate.cert.pem());
    let start = || {
        let mut command = place.exporter(&["--web.listen-address", "127.0.0.1:0"]);
        command.env("SSL_CERT_FILE", place.path("system.pem"));
        command
    };
    let daemon = Process::start_daemon(start()).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
    replace_with_pipe(&place.path("system.pem"));
    daemon.signal("HUP").await;
    let _held = open_when_read(&place.path("system.pem")).await;
    let health = client().get(format!("http://{}/-/healthy", daemon.address())).send().await;
    assert_eq!(health.expect("an answer").status(), 200);
    // A start with the same pipe fails with a status after which a supervisor tries again.
    let words = ["certificate authorities, cannot be read within 10s; check that their mounts respond"];
    assert_exit("start", &run(start()).await, 1, &words);
    daemon.stderr.line(&["configuration not reloaded", words[0]]).await;
    daemon.signal("TERM").await;
    assert_eq!(daemon.wait().await.code(), Some(0));
}

#[tokio::test]
async fn healthcheck_works_despite_broken_files() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let silent_api = TcpListener::bind(local()).await.expect("a free port");
    let silent = silent_api.local_addr().expect("an address");
    let never_ready = format!(
        "poll: {{interval: 1h, timeout: 1h}}\napi: {{endpoint: 'http://{silent}', request_timeout: 1h}}\n{}",
        account(GUANGZHOU)
    );
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    for (config, is_ready) in [(api.config(&[GUANGZHOU]), true), (never_ready, false)] {
        let place = WorkDir::with(config);
        place.write("server.pem", certificate.cert.pem());
        place.write("server.key", certificate.signing_key.serialize_pem());
        place.write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}\n");
        let daemon = place.daemon(&["--web.config.file", "web.yml"]).await;
        if is_ready {
            daemon.stderr.line(&["ready: every target was polled once"]).await;
        }
        place.write("config.yml", "accounts: [\n");
        replace_with_pipe(&place.path("web.yml"));
        let address = daemon.address().to_string();
        let flags = ["--web.config.file", "web.yml", "--web.listen-address", &address];
        let healthy = run(place.exporter(&[&["healthcheck"], &flags[..]].concat())).await;
        assert_exit("healthy", &healthy, 0, &[]);
        let ready = run(place.exporter(&[&["healthcheck", "--ready"], &flags[..]].concat())).await;
        let words: &[&str] = if is_ready { &[] } else { &["the response to /-/ready is 503"] };
        assert_exit("ready", &ready, u8::from(!is_ready).into(), words);
    }
}

/// Waits until a process reads this pipe. Dropping the result closes the pipe.
async fn open_when_read(pipe: &Path) -> File {
    const O_NONBLOCK: i32 = 0o4000;
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        match OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(pipe) {
            Ok(file) => return file,
            Err(error) => assert!(Instant::now() < deadline, "{}: {error}", pipe.display()),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Replaces a file by a pipe without a writer.
fn replace_with_pipe(path: &Path) {
    let pipe = path.with_extension("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
    assert!(made.success());
    fs::rename(&pipe, path).expect("it takes the file's place");
}
