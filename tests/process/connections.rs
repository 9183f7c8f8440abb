//! Connections to the API: silent connections, proxies, certificate authorities and the two sites.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use simulator::Options;
use test_support::{
    Api, Daemon, Metrics,
    binary::{Process, WorkDir, assert_exit, run},
    frozen, local,
    relay::{Certificate, Relay},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

const GUANGZHOU: &str = "ap-guangzhou";
const INTERNATIONAL: &str = "vpc.intl.tencentcloudapi.com";
const CHINA: &str = "vpc.tencentcloudapi.com";

/// A proxy that serves `CONNECT` for known hosts, until it is dropped.
struct Proxy {
    address: SocketAddr,
    hosts: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Maps each host to an address, and refuses other hosts.
    async fn start(hosts: &[(&str, SocketAddr)]) -> Self {
        let listener = TcpListener::bind(local()).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ways: BTreeMap<String, SocketAddr> =
            hosts.iter().map(|(host, to)| (format!("{host}:443"), *to)).collect();
        let (sender, hosts) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connect(stream, ways.clone(), sender.clone()));
            }
        });
        Self { address, hosts, _tasks: tasks }
    }
}

async fn connect(
    mut stream: TcpStream,
    ways: BTreeMap<String, SocketAddr>,
    seen: mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let host = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let way = ways.get(&host).copied();
    // The test may have ended.
    let _ = seen.send(host);
    let Some(way) = way else {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    };
    let mut to = TcpStream::connect(way).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut to).await.map(drop)
}

/// The two sites behind a proxy, each with its own API.
struct Sites {
    international: Api,
    china: Api,
    proxy: Proxy,
    place: WorkDir,
    _relays: [Relay; 2],
}

impl Sites {
    async fn start() -> Self {
        let world = |seed| simulator::Options { seed, ..frozen(&[(GUANGZHOU, 2)]) };
        let (international, china) = (Api::start(world(1)).await, Api::start(world(2)).await);
        let certificate = Certificate::of(&[INTERNATIONAL, CHINA]);
        let relays = [&international, &china].map(|api| {
            let relay = Relay::start(api.address);
            relay.use_certificate(&certificate);
            relay
        });
        let proxy = Proxy::start(&[(INTERNATIONAL, relays[0].address), (CHINA, relays[1].address)]).await;
        let place = WorkDir::with("");
        place.write("ca.pem", &certificate.pem);
        Self { international, china, proxy, place, _relays: relays }
    }

    fn configure(&self, accounts: &[String]) {
        let accounts = accounts.concat();
        self.place.write("config.yml", format!("api: {{ca_file: ca.pem}}\naccounts:\n{accounts}"));
    }

    fn proxy_url(&self) -> String {
        format!("http://operator:hunter2@{}", self.proxy.address)
    }
}

#[tokio::test]
async fn silent_connections_fail_at_most_one_poll() {
    // Eight pages, which are requested at the same time and delayed, fill the pool with connections.
    let latency = Duration::from_millis(100);
    let api = Api::start(Options { latency, ..frozen(&[(GUANGZHOU, 750)]) }).await;
    let relay = Relay::start(api.address);
    let certificate = Certificate::new();
    relay.use_certificate(&certificate);
    let place = WorkDir::with("");
    place.write("ca.pem", &certificate.pem);
    // The first poll after the connections went silent has time for one request time-out, but not for two.
    let config = api
        .config_with_poll(&[GUANGZHOU], "interval: 500ms, timeout: 12s, stale_after: 1h")
        .replace("request_timeout: 2s", "request_timeout: 10s")
        .replace(
            &format!("endpoint: 'http://{}'", api.address),
            &format!("endpoint: 'https://{}', ca_file: '{}'", relay.address, place.path("ca.pem").display()),
        );
    let daemon = Daemon::start(&config).await;
    let failed = |metrics: &Metrics| metrics.sum("poll_failures_total", &[]);
    let good = |metrics: &Metrics| metrics.sum("polls_total", &[]) - failed(metrics);
    let before = daemon.until(|metrics| good(metrics) >= 2.0).await;
    assert_eq!(failed(&before), 0.0);
    assert!(relay.connections().0 > 4, "the pool holds several connections");

    relay.silence_open_connections();
    let after = daemon.until(|metrics| good(metrics) >= good(&before) + 3.0).await;
    assert!(failed(&after) <= 1.0, "{} failed polls", failed(&after));
    assert!(
        after.sum("api_request_failures_total", &[("reason", "timeout")]) > 0.0,
        "no connection was silent"
    );
}

#[tokio::test]
async fn accounts_of_both_sites_run_in_one_process() {
    let mut sites = Sites::start().await;
    let china = sites.china.account("china", &[GUANGZHOU]) + "  site: china\n";
    sites.configure(&[sites.international.account("international", &[GUANGZHOU]), china]);
    let mut command = sites.place.exporter(&["--web.listen-address", "127.0.0.1:0"]);
    command.env("HTTPS_PROXY", sites.proxy_url());
    let daemon = Process::start_daemon(command).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    let hosts =
        [sites.proxy.hosts.recv().await, sites.proxy.hosts.recv().await].map(Option::unwrap_or_default);
    for site in [INTERNATIONAL, CHINA] {
        assert!(hosts.contains(&format!("{site}:443")), "{hosts:?}");
    }
    let lines = daemon.stderr.lines(&["a proxy is configured"], 1).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(&format!("proxy=http://{}", sites.proxy.address)), "{lines:?}");
    assert!(!daemon.stderr.to_string().contains("hunter2"));
}

#[tokio::test]
async fn probe_names_the_site_that_knows_the_key() {
    let sites = Sites::start().await;
    let nowhere =
        sites.china.account("nowhere", &[GUANGZHOU]).replace("secret_id: '", "secret_id: 'AKIDother");
    let known = sites.international.account("known", &[GUANGZHOU]);
    sites.configure(&[sites.china.account("elsewhere", &[GUANGZHOU]), nowhere, known]);
    let mut command = sites.place.exporter(&["check-config", "--probe"]);
    command.env("https_proxy", sites.proxy_url());
    let ended = run(command).await;
    let words = [
        "elsewhere in ap-guangzhou: AuthFailure.SecretIdNotFound",
        "the international site does not know this key; if the key is of the china site, set site: china",
        "elsewhere: the china site knows the key; set site: china",
        "nowhere: neither the international nor the china site knows the key; create a new one, or correct it",
    ];
    assert_exit("probe", &ended, 1, &words);
    assert!(!ended.stderr.contains("known:"), "{}", ended.stderr);
}

#[tokio::test]
async fn errors_of_the_proxy_name_the_proxy() {
    let refusing = Proxy::start(&[]).await;
    let closed = TcpListener::bind(local()).await.expect("a free port").local_addr().expect("an address");
    let place = WorkDir::with(test_support::binary::account(GUANGZHOU) + "poll: {timeout: 1s}\n");
    for address in [refusing.address, closed] {
        let mut command = place.exporter(&["once"]);
        command.env("HTTPS_PROXY", format!("http://operator:hunter2@{address}"));
        let ended = run(command).await;
        assert_exit("once", &ended, 1, &[&format!("through the proxy http://{address}")]);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn unreadable_proxy_is_a_configuration_error() {
    let place = WorkDir::with(test_support::binary::account(GUANGZHOU));
    let mut command = place.exporter(&["check-config"]);
    command.env("HTTPS_PROXY", "\"http://127.0.0.1:3128\"");
    assert_exit("quotes", &run(command).await, 64, &["HTTPS_PROXY: the value has quotes around it"]);
}

#[tokio::test]
async fn reload_trusts_an_authority_added_to_the_system() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let relay = Relay::start(api.address);
    let (other, certificate) = (Certificate::new(), Certificate::new());
    relay.use_certificate(&certificate);
    let config = api.config(&[GUANGZHOU]).replace(
        &format!("endpoint: 'http://{}'", api.address),
        &format!("endpoint: 'https://{}'", relay.address),
    );
    let place = WorkDir::with(config);
    place.write("system.pem", &other.pem);
    let mut command = place.exporter(&["--web.listen-address", "127.0.0.1:0"]);
    command.env("SSL_CERT_FILE", place.path("system.pem"));
    let daemon = Process::start_daemon(command).await;
    daemon.until(|metrics| metrics.sum("poll_failures_total", &[("reason", "connection")]) >= 1.0).await;

    place.write("system.pem", other.pem + &certificate.pem);
    daemon.signal("HUP").await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
}

#[tokio::test]
async fn broken_certificate_in_the_ca_file_is_named() {
    let place = WorkDir::with(test_support::binary::account(GUANGZHOU) + "api: {ca_file: ca.pem}\n");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    place.write("ca.pem", Certificate::new().pem + broken);
    let ended = run(place.exporter(&["check-config"])).await;
    assert_exit("ca_file", &ended, 64, &["ca.pem: certificate 2 cannot be used"]);
}
