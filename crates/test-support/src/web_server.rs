//! A server on loopback, and clients that send raw requests.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use hyper::header::HeaderValue;
use tencentcloud_vpn_exporter::{
    metrics::exposition::Exposition,
    web::{
        limits::Limits,
        listen,
        protection::Protection,
        server,
        state::{Page, ReloadRequest, WebState},
        telemetry_path::TelemetryPath,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::MAX_WAIT;

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub exposition: watch::Sender<Arc<Exposition>>,
    pub ready: watch::Sender<bool>,
    pub reloads: Option<mpsc::Receiver<ReloadRequest>>,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<()>,
}

/// Settings of a server.
pub struct Setup {
    pub telemetry_path: &'static str,
    pub lifecycle: bool,
    pub limits: Limits,
    pub web_config: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { telemetry_path: "/metrics", lifecycle: false, limits: Limits::default(), web_config: None }
    }
}

impl Setup {
    pub async fn start(self) -> Server {
        capture_log();
        let (exposition, exposition_seen) = watch::channel(Arc::new(exposition("tencentcloud_vpn_up 1\n")));
        let (ready, ready_seen) = watch::channel(false);
        let (reload, reloads) = mpsc::channel(1);
        let telemetry_path = TelemetryPath::new(self.telemetry_path).unwrap();
        let state = WebState {
            page: Box::new(|query| {
                let content_security_policy = HeaderValue::from_static("default-src 'none'");
                Page { html: format!("query={query}").into(), content_security_policy }
            }),
            telemetry_path,
            exposition: exposition_seen,
            ready: ready_seen,
            reload: self.lifecycle.then_some(reload),
        };
        let listeners = listen::bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
        let address = listeners[0].local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let protection = self.web_config.map(|path| Protection::open(&path).unwrap());
        let served = tokio::spawn(server::serve(listeners, state, self.limits, protection, shutdown.clone()));
        let reloads = self.lifecycle.then_some(reloads);
        Server { address, exposition, ready, reloads, shutdown, served }
    }
}

impl Server {
    pub async fn with_defaults() -> Self {
        Setup::default().start().await
    }

    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// A client whose receive buffer has a few kilobytes.
    pub async fn connect_with_small_buffer(&self) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Client { stream: socket.connect(self.address).await.unwrap() }
    }

    /// Sends one request on a connection of its own.
    pub async fn send_request(&self, request: &str) -> Response {
        let mut client = self.connect().await;
        client.send(request).await;
        client.response().await
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send_request(&format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await
    }

    /// Publishes an exposition too large for any socket's buffers, and gives its text.
    pub fn publish_large_exposition(&self) -> String {
        let text = large_text();
        self.exposition.send_replace(Arc::new(exposition(&text)));
        text
    }

    /// Waits until the server has returned.
    pub async fn stopped(self) {
        timeout(MAX_WAIT, self.served).await.expect("the server stops").unwrap();
    }
}

/// A text too large for any socket's buffers.
pub fn large_text() -> String {
    "# a line that says nothing, many times over\n".repeat(300_000)
}

/// A text, ready to be scraped.
pub fn exposition(text: &str) -> Exposition {
    Exposition::of(text.as_bytes())
}

/// A client that sends raw bytes.
pub struct Client<S = TcpStream> {
    pub stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next response to a `GET`.
    pub async fn response(&mut self) -> Response {
        timeout(MAX_WAIT, read_response(&mut self.stream))
            .await
            .expect("a response comes")
            .expect("a response comes whole")
    }

    /// All bytes until the server closes the connection.
    pub async fn read_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A connection that is cut may end in a reset.
        let _ = timeout(MAX_WAIT, self.stream.read_to_end(&mut rest)).await.expect("the server hangs up");
        rest
    }
}

/// A whole response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads one response; none if the connection ends before it does.
pub async fn read_response(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Response> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response { status, head, body: Vec::new() };
    let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
    response.body.resize(length, 0);
    stream.read_exact(&mut response.body).await.ok()?;
    Some(response)
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = timeout(MAX_WAIT, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "still waiting until {what}");
}

/// The number of log lines of this process that contain all of these words.
pub fn logged(words: &[&str]) -> usize {
    let log = LOG.lock().unwrap();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

static LOG: Mutex<String> = Mutex::new(String::new());

/// Keeps the log of all tests of this process.
fn capture_log() {
    struct Log;
    impl io::Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            LOG.lock().unwrap().push_str(str::from_utf8(line).unwrap());
            Ok(line.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init());
}
