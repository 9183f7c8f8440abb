//! The status page in a real browser: headless Chromium, driven by the scripts in `tests/browser`.
//!
//! They need `/usr/bin/chromium`, `node`, and the npm packages `playwright-core` and `axe-core` in the folder that
//! `NODE_PACKAGES` names (`target/node` by default). `SCREENSHOTS=folder` keeps pictures of every world.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tencentcloud_vpn_exporter::{snapshot::Snapshot, web::status_page::StatusPage};
use test_support::worlds::{
    ago, broken_gateway, constant_tunnels, empty, failing, many, mixed_snapshot, status_page,
    with_failed_discovery,
};
use test_support::{Api, Daemon, frozen};
use tokio::{net::TcpListener, process::Command};

/// Serves the pages of a list of snapshots at a fixed time. `/next` moves to the next snapshot, ten seconds later.
struct PageServer {
    page: StatusPage,
    snapshots: Vec<Snapshot>,
    index: AtomicUsize,
}

impl PageServer {
    async fn start(snapshots: impl Into<Vec<Snapshot>>) -> SocketAddr {
        let snapshots = snapshots.into();
        let server = Self { page: status_page(), snapshots, index: AtomicUsize::new(0) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(Arc::new(server).serve(listener));
        address
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&self);
            let service = service_fn(move |request| std::future::ready(server.answer(&request)));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "hyper wants a result")]
    fn answer(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let mut response = Response::new(Full::default());
        match request.uri().path() {
            "/next" => drop(self.index.fetch_add(1, Ordering::Relaxed)),
            "/" => {
                let index = self.index.load(Ordering::Relaxed);
                let now = ago(-10 * i64::try_from(index).expect("few snapshots"));
                let query = request.uri().query().unwrap_or_default();
                let snapshot = &self.snapshots[index.min(self.snapshots.len() - 1)];
                let page = self.page.render(snapshot, query, now);
                let html = "text/html; charset=utf-8".parse().expect("a content type");
                response.headers_mut().insert(CONTENT_TYPE, html);
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, page.content_security_policy);
                *response.body_mut() = page.html.into();
            }
            _ => *response.status_mut() = hyper::StatusCode::NOT_FOUND,
        }
        Ok(response)
    }
}

fn node_env() -> PathBuf {
    let folder = std::env::var_os("NODE_PACKAGES").map_or_else(|| "target/node".into(), PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for package in ["playwright-core", "axe-core"] {
        assert!(
            folder.join("node_modules").join(package).is_dir(),
            "the npm package {package} is missing: run `npm install --prefix {} playwright-core axe-core`",
            folder.display()
        );
    }
    assert!(Path::new("/usr/bin/chromium").exists(), "/usr/bin/chromium is missing: install chromium");
    folder
}

/// Runs a script of `tests/browser` against these servers. Environment variables hold their addresses.
async fn run_script(script: &str, servers: &[(&str, SocketAddr)]) {
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(script));
    node.env("NODE_PACKAGES", node_env()).stdin(Stdio::null()).kill_on_drop(true);
    for (name, address) in servers {
        node.env(name, format!("http://{address}/"));
    }
    let output = node.output().await.expect("node runs");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{script} failed:\n{output_text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "needs Chromium and Node; tests/run runs it"]
async fn page_is_accessible_on_desktop_and_phone() {
    let undiscovered = with_failed_discovery(failing(), &[("production", 2), ("research", 0)]);
    let servers = [
        ("EVERYDAY", PageServer::start([mixed_snapshot()]).await),
        ("EMPTY", PageServer::start([empty()]).await),
        ("NOTHING", PageServer::start([Snapshot::default()]).await),
        ("FAILING", PageServer::start([failing()]).await),
        ("UNLISTED", PageServer::start([undiscovered]).await),
        ("GATEWAYS", PageServer::start([broken_gateway()]).await),
        ("MANY", PageServer::start([many()]).await),
    ];
    run_script("looks.mjs", &servers).await;
}

#[tokio::test]
#[ignore = "needs Chromium and Node; tests/run runs it"]
async fn script_searches_and_refreshes_without_moving_rows() {
    let servers = [
        ("EVERYDAY", PageServer::start([mixed_snapshot()]).await),
        ("CHANGING", PageServer::start([constant_tunnels(0), constant_tunnels(200)]).await),
        ("GROWING", PageServer::start([constant_tunnels(20), constant_tunnels(40)]).await),
        ("MANY", PageServer::start([many()]).await),
    ];
    run_script("live.mjs", &servers).await;
}

#[tokio::test]
#[ignore = "needs Chromium and Node; tests/run runs it"]
async fn the_page_works_without_its_script() {
    let servers = [
        ("EVERYDAY", PageServer::start([mixed_snapshot()]).await),
        ("MANY", PageServer::start([many()]).await),
    ];
    run_script("plain.mjs", &servers).await;
}

#[tokio::test]
#[ignore = "needs Chromium and Node; tests/run runs it"]
async fn daemon_serves_a_working_page() {
    const REGION: &str = "ap-guangzhou";
    let api = Api::start(frozen(&[(REGION, 3)])).await;
    let ids = api.control.ids(REGION).expect("the region");
    let set = |id: &str, field, value: &str| api.control.set(REGION, id, field, value);
    set(&ids[0], "VpnConnectionName", "<script>alert(1)</script>").expect("the tunnel");
    set(&ids[1], "NetStatus", "UNAVAILABLE").expect("the tunnel");
    set(&ids[1], "NegotiationType", "active").expect("the tunnel");
    let daemon = Daemon::start(&api.config(&[REGION])).await;
    daemon.until(|metrics| metrics.count("tunnel_up", &[]) == ids.len()).await;
    run_script("served.mjs", &[("DAEMON", daemon.address)]).await;
    daemon.stop().await.expect("a clean end");
}
