//! A proxy in front of the simulated services. It adds TLS, records every secret that it forwards, and can respond with
//! errors that echo the request.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::Incoming,
    header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use test_support::{client, local};

/// The fields whose values are secret, anywhere in a response.
const SECRET_FIELDS: [&str; 3] = ["TmpSecretKey", "Token", "PreShareKey"];

/// The proxy; it runs until it is dropped.
pub struct RecordingProxy {
    /// The address of the API, with TLS, for `localhost`.
    pub api: SocketAddr,
    /// The address of the metadata service, without TLS.
    pub metadata: SocketAddr,
    /// The certificate of `api`.
    pub certificate: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    origin: SocketAddr,
    client: reqwest::Client,
    seen: Mutex<Recorded>,
    /// The error code of every response of the API; the error echoes the request. `None` forwards requests.
    echo: Mutex<Option<&'static str>>,
}

#[derive(Default)]
struct Recorded {
    secrets: BTreeSet<String>,
    keys_by_id: BTreeMap<String, String>,
    requests: usize,
}

impl RecordingProxy {
    pub async fn start(origin: SocketAddr) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let client = client();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a certificate with its key");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let shared = Arc::new(Shared { origin, client, seen: Mutex::default(), echo: Mutex::default() });
        let [api, metadata] = [TcpListener::bind(local()).await, TcpListener::bind(local()).await]
            .map(|bound| bound.expect("a port"));
        let [api_address, metadata_address] =
            [&api, &metadata].map(|listener| listener.local_addr().expect("an address"));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(api, Some(TlsAcceptor::from(Arc::new(config))), Arc::clone(&shared)));
        tasks.spawn(accept(metadata, None, Arc::clone(&shared)));
        Self { api: api_address, metadata: metadata_address, certificate: cert.pem(), shared, _tasks: tasks }
    }

    /// Registers a key pair that is in use.
    pub fn add_key_pair(&self, id: &str, key: &str) {
        let mut seen = self.shared.seen.lock().expect("a lock");
        seen.secrets.insert(key.to_owned());
        seen.keys_by_id.insert(id.to_owned(), key.to_owned());
    }

    /// Every secret forwarded so far.
    pub fn secrets(&self) -> BTreeSet<String> {
        self.shared.seen.lock().expect("a lock").secrets.clone()
    }

    /// The number of forwarded requests.
    pub fn requests(&self) -> usize {
        self.shared.seen.lock().expect("a lock").requests
    }

    /// Responds to every call of the API with this error from now on; `None` forwards them again.
    pub fn set_echo_error(&self, code: Option<&'static str>) {
        *self.shared.echo.lock().expect("a lock") = code;
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve_connection(stream, shared).await;
                    }
                }
                None => serve_connection(stream, shared).await,
            }
        });
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { respond(&shared, request).await }
    });
    // The client reports a broken connection.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, reqwest::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let mut headers = head.headers;
    if let Some(authority) = head.uri.authority() {
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).expect("an authority is a header"));
    }
    let echo = *shared.echo.lock().expect("a lock");
    if let Some(code) = echo.filter(|_| head.method == Method::POST) {
        return Ok(echo_error(shared, code, &headers, &body));
    }
    let url = format!("http://{}{}", shared.origin, head.uri.path());
    let answer = shared.client.request(head.method, url).headers(headers).body(body).send().await?;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            response = response.header(name, value);
        }
    }
    let body = answer.bytes().await?;
    let mut seen = shared.seen.lock().expect("a lock");
    seen.requests += 1;
    if let Ok(value) = serde_json::from_slice(&body) {
        seen.record_secrets(&value);
    }
    Ok(response.body(Full::new(body)).expect("a response"))
}

/// An error that contains the caller's secret key, its token and the whole request.
fn echo_error(shared: &Shared, code: &str, headers: &HeaderMap, body: &[u8]) -> Response<Full<Bytes>> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("authorization").split(['=', '/']).nth(1).unwrap_or_default();
    let seen = shared.seen.lock().expect("a lock");
    let key = seen.keys_by_id.get(id).map_or("", String::as_str);
    let message = format!("{key} {} {}", header("x-tc-token"), String::from_utf8_lossy(body));
    let error = json!({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": key}});
    Response::new(Full::new(error.to_string().into()))
}

impl Recorded {
    fn record_secrets(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
                self.secrets.extend(SECRET_FIELDS.into_iter().filter_map(text));
                self.keys_by_id.extend(text("TmpSecretId").zip(text("TmpSecretKey")));
                fields.values().for_each(|field| self.record_secrets(field));
            }
            Value::Array(values) => values.iter().for_each(|value| self.record_secrets(value)),
            _ => {}
        }
    }
}
