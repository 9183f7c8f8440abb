//! What the process does when something on its own machine does not answer: whoever reads its log, or a file.

mod support;

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::OwnedFd,
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use support::{
    Api, PATIENCE,
    binary::{Place, Process, account, assert_told, exporter, run, signal},
    client, frozen, in_time, local, scrape_until,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    time::sleep,
};

const GUANGZHOU: &str = "ap-guangzhou";

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_neither_polls_nor_scrapes_nor_the_end() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let place = Place::with(api.config_with(&[GUANGZHOU], "interval: 10ms, timeout: 10s, stale_after: 1h"));
    // Much more than a socket holds.
    let level = "info,hyper=trace,hyper_util=trace,reqwest=trace";
    let mut command = place.exporter(&["--web.listen-address", "127.0.0.1:0", "--log.level", level]);
    // As `2>&1` has it.
    let (here, there) = UnixStream::pair().expect("sockets");
    command.stdout(OwnedFd::from(there.try_clone().expect("another handle"))).stderr(OwnedFd::from(there));
    let mut daemon = command.kill_on_drop(true).spawn().expect("it starts");
    here.set_nonblocking(true).expect("a socket");
    let mut log = BufReader::new(tokio::net::UnixStream::from_std(here).expect("a socket")).lines();
    let address = loop {
        let line = in_time(log.next_line()).await.expect("lines").expect("it says its address");
        if let Some((_, address)) = line.split_once("address=") {
            break address.split(' ').next().expect("a word").parse().expect("an address");
        }
    };
    let metrics = scrape_until(address, |metrics| metrics.sum("polls_total", &[]) >= 300.0).await;
    assert_eq!(metrics.sum("up", &[]), 1.0);
    signal(daemon.id().expect("it runs"), "TERM").await;
    assert_eq!(in_time(daemon.wait()).await.expect("an end").code(), Some(0));
}

#[tokio::test]
async fn files_that_do_not_answer_hold_up_neither_health_nor_scrapes_nor_the_end() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let key = api.control.credentials().secret_key.expose().to_owned();
    let config = api.config(&[GUANGZHOU]).replace(&format!("secret_key: '{key}'"), "secret_key_file: key");
    let place = Place::with(config);
    place.write("key", key);
    place.write("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n");
    let daemon = place.daemon(&["--web.config.file", "web.yml"]).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;

    let opened = ["key", "config.yml", "web.yml"].map(|name| silence(&place.path(name)));
    daemon.signal("HUP").await;
    let mut held = Vec::new();
    for silent in opened {
        held.push(
            silent
                .reader(async || {
                    let health = client().get(format!("http://{}/-/healthy", daemon.address())).send().await;
                    assert_eq!(health.expect("an answer").status(), 200);
                })
                .await,
        );
    }
    assert_eq!(daemon.scrape().await.count("tunnel_up", &[]), 3);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ended().await.code(), Some(0));
}

#[tokio::test]
async fn signals_during_a_slow_start_are_obeyed() {
    let config = ["--config.file", "config.yml"];
    let demo = ["demo", "--web.listen-address", "127.0.0.1:0"];
    let simulate = ["simulate", "--listen-address", "127.0.0.1:0"];
    let web = ["--web.config.file", "silent"];
    for (arguments, name) in [
        (["--config.file", "silent"].to_vec(), "TERM"),
        ([config, web].concat(), "INT"),
        ([&demo[..], &web].concat(), "TERM"),
        ([&simulate[..], &["--faults", "silent"]].concat(), "INT"),
    ] {
        let place = Place::with(account(GUANGZHOU));
        place.write("silent", "");
        let silent = silence(&place.path("silent"));
        let mut command = exporter(&arguments);
        command.current_dir(place.folder());
        let process = Process::start(command);
        let _held = silent.reader(async || {}).await;
        process.signal("HUP").await;
        process.signal(name).await;
        assert_told(&arguments.join(" "), &process.ended().await, 0, &[&format!("SIG{name}: ending")]);
    }
}

#[tokio::test]
async fn healthcheck_asks_beside_broken_files() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let silent_api = TcpListener::bind(local()).await.expect("a free port");
    let silent = silent_api.local_addr().expect("an address");
    let never_ready = format!(
        "poll: {{interval: 1h, timeout: 1h}}\napi: {{endpoint: 'http://{silent}', request_timeout: 1h}}\n{}",
        account(GUANGZHOU)
    );
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    for (config, is_ready) in [(api.config(&[GUANGZHOU]), true), (never_ready, false)] {
        let place = Place::with(config);
        place.write("server.pem", certificate.cert.pem());
        place.write("server.key", certificate.signing_key.serialize_pem());
        place.write("web.yml", "tls_server_config: {cert_file: server.pem, key_file: server.key}\n");
        let daemon = place.daemon(&["--web.config.file", "web.yml"]).await;
        if is_ready {
            daemon.stderr.line(&["ready: every target was tried once"]).await;
        }
        place.write("config.yml", "accounts: [\n");
        silence(&place.path("web.yml"));
        let address = daemon.address().to_string();
        let flags = ["--web.config.file", "web.yml", "--web.listen-address", &address];
        let healthy = run(place.exporter(&[&["healthcheck"], &flags[..]].concat())).await;
        assert_told("healthy", &healthy, 0, &[]);
        let ready = run(place.exporter(&[&["healthcheck", "--ready"], &flags[..]].concat())).await;
        let words: &[&str] = if is_ready { &[] } else { &["the answer to /-/ready is not 200"] };
        assert_told("ready", &ready, u8::from(!is_ready).into(), words);
    }
}

/// A file that gives neither content nor an end.
struct Silent(std::path::PathBuf);

/// Puts one in a file's place.
fn silence(path: &Path) -> Silent {
    let pipe = path.with_extension("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
    assert!(made.success());
    fs::rename(&pipe, path).expect("it takes the file's place");
    Silent(path.to_owned())
}

impl Silent {
    /// Waits until somebody reads it, who reads it until this is dropped. Meanwhile `visit` is done again and again.
    async fn reader(&self, visit: impl AsyncFn()) -> File {
        const O_NONBLOCK: i32 = 0o4000;
        let deadline = Instant::now() + PATIENCE;
        loop {
            visit().await;
            match OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&self.0) {
                Ok(file) => return file,
                Err(error) => {
                    assert!(Instant::now() < deadline, "{}: nobody reads it: {error}", self.0.display());
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
