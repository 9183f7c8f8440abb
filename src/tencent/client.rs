//! One call: signed, sent once, its answer read whole within bounds, and turned into a value or an [`ApiError`].

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Certificate, Response, StatusCode, Url,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{ApiError, answer, credentials::Credentials, sign};
use crate::domain::{Region, Secret};

const JSON: &str = "application/json";
const CLIENT_NAME: &str = concat!("tencentcloud-vpn-exporter/", env!("CARGO_PKG_VERSION"));
const REQUEST_CLIENT: &str = concat!("tencentcloud-vpn-exporter-", env!("CARGO_PKG_VERSION"));

/// The most that one answer may hold, in bytes, after decompression. A page of 100 real tunnels has about 160 KiB.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// An answer that is larger than this, in bytes, waits for a place among the large ones.
const LARGE_ANSWER_BYTES: usize = 256 * 1024;

/// How many large answers are held at once. Together with the others that is 96 MiB at most.
const MAX_LARGE_ANSWERS: usize = 8;

/// How many requests of the whole process are under way at once. Each may need a connection of its own, and systems often
/// allow no more than 1024 open files.
const MAX_REQUESTS: usize = 256;

/// A product of Tencent Cloud and the version of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The name, as in the host and in the credential scope.
    pub name: &'static str,
    /// `X-TC-Version`.
    pub version: &'static str,
}

impl Service {
    /// Virtual Private Cloud, which has the VPN tunnels.
    pub const VPC: Self = Self { name: "vpc", version: "2017-03-12" };
}

/// One call of one action.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The product.
    pub service: Service,
    /// `X-TC-Action`.
    pub action: &'static str,
    /// `X-TC-Region`.
    pub region: &'a Region,
    /// Where the product is found for that region.
    pub url: &'a Url,
    /// The JSON body.
    pub body: String,
}

/// What an action's answer is read into.
pub trait FromResponse: Sized {
    /// Reads what is in `Response`, which is known not to be an error.
    fn from_response(response: &RawValue) -> Result<Self, ApiError>;
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `api.ca_file` cannot be used.
    #[error("api.ca_file: {}: {problem}; give a PEM file with at least one certificate", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error(
        "TLS cannot be set up: {0}; are the system's certificate authorities (ca-certificates) installed?"
    )]
    Tls(String),
}

/// How calls are sent: one pool of connections for all accounts and regions.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    request_timeout: Duration,
    requests: Arc<Semaphore>,
    large_answers: Arc<Semaphore>,
}

impl Client {
    /// Prepares a pool of connections; nothing is sent. `request_timeout` bounds one request, its answer's body included.
    pub fn new(request_timeout: Duration, ca_file: Option<PathBuf>) -> Result<Self, ClientError> {
        // Another part of the process may have chosen the same provider before: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(CLIENT_NAME)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(16);
        if let Some(path) = ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let http = builder.build().map_err(|error| ClientError::Tls(root_cause(&error)))?;
        Ok(Self {
            http,
            request_timeout,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            large_answers: Arc::new(Semaphore::new(MAX_LARGE_ANSWERS)),
        })
    }

    /// Sends one call once, and reads what is in its answer's `Response`. `now` is the time that the API is told: our
    /// clock, corrected where that is known to be needed.
    ///
    /// Dropping the future ends the request.
    pub async fn send<T>(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<T, ApiError>
    where
        T: FromResponse,
    {
        let _turn = self.requests.acquire().await.expect("the semaphore is never closed");
        let exchange = self.exchange(call, credentials, now);
        timeout(self.request_timeout, exchange).await.unwrap_or(Err(ApiError::Timeout(self.request_timeout)))
    }

    async fn exchange<T: FromResponse>(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<T, ApiError> {
        let headers = headers(call, credentials, now)?;
        let request = self.http.post(call.url.clone()).headers(headers).body(call.body.clone());
        let response = request.send().await.map_err(|error| connection(&error))?;
        accept_status(&response)?;
        let server_time = date(&response);
        let (body, _place) = self.read(response).await?;
        let response = answer::unframe(&body, server_time);
        T::from_response(response.map_err(|error| without_secrets(error, credentials))?)
    }

    /// Reads a body whole, and no more of it than is allowed. A large one has its place for as long as the permit lives;
    /// who has one waits for nothing but bytes, so that no two answers can wait for each other.
    async fn read(&self, mut response: Response) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), ApiError> {
        let mut body = Vec::new();
        let mut place = None;
        while let Some(chunk) = response.chunk().await.map_err(|error| connection(&error))? {
            let length = body.len() + chunk.len();
            if length > MAX_ANSWER_BYTES {
                let limit = MAX_ANSWER_BYTES / 1024 / 1024;
                return Err(ApiError::Malformed(format!("it is larger than {limit} MiB")));
            }
            if length > LARGE_ANSWER_BYTES && place.is_none() {
                place = Some(self.large_answers.acquire().await.expect("the semaphore is never closed"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, place))
    }
}

fn connection(error: &reqwest::Error) -> ApiError {
    ApiError::Connection(root_cause(error))
}

fn headers(call: &Call<'_>, credentials: &Credentials, now: Timestamp) -> Result<HeaderMap, ApiError> {
    let host = host(call.url);
    let signed = sign::Request {
        service: call.service.name,
        host: &host,
        content_type: JSON,
        body: call.body.as_bytes(),
        time: now,
    };
    let authorization = signed.authorization(&credentials.secret_id, &credentials.secret_key);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert("x-tc-action", HeaderValue::from_static(call.action));
    headers.insert("x-tc-version", HeaderValue::from_static(call.service.version));
    headers.insert("x-tc-timestamp", now.as_second().into());
    headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
    headers.insert("x-tc-requestclient", HeaderValue::from_static(REQUEST_CLIENT));
    let region = HeaderValue::from_str(call.region.as_str()).expect("a region is made of header characters");
    headers.insert("x-tc-region", region);
    headers.insert("authorization", sensitive(&authorization, "the secret id")?);
    if let Some(token) = &credentials.token {
        headers.insert("x-tc-token", sensitive(token.expose(), "the token")?);
    }
    Ok(headers)
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| ApiError::Credentials(format!("{what} has characters that no header can carry")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `Host` that is sent, and so signed: with its port where that is not the scheme's default.
fn host(url: &Url) -> String {
    let host = url.host_str().expect("an endpoint has a host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn accept_status(response: &Response) -> Result<(), ApiError> {
    match response.status() {
        StatusCode::OK => Ok(()),
        status => Err(ApiError::Status { status: status.as_u16(), retry_after: retry_after(response) }),
    }
}

/// `Retry-After` in seconds, or as a date by the clock of whoever sent it.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = date(response).unwrap_or_else(Timestamp::now);
    Duration::try_from(http_date(text)?.duration_since(now)).ok()
}

fn date(response: &Response) -> Option<Timestamp> {
    http_date(response.headers().get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

fn certificates(path: PathBuf) -> Result<Vec<Certificate>, ClientError> {
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let parsed = read.and_then(|pem| {
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| root_cause(&error))?;
        if certificates.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(certificates) }
    });
    parsed.map_err(|problem| ClientError::CaFile { path, problem })
}

/// The innermost cause, which is the one that says what happened.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// An error whose words, which come from outside, repeat none of what the request was signed with.
fn without_secrets(error: ApiError, credentials: &Credentials) -> ApiError {
    let clean = |text: String| {
        let secrets = [Some(&credentials.secret_key), credentials.token.as_ref()];
        secrets.into_iter().flatten().map(Secret::expose).filter(|secret| !secret.is_empty()).fold(
            text,
            |text, secret| {
                if text.contains(secret) { text.replace(secret, "(redacted)") } else { text }
            },
        )
    };
    match error {
        ApiError::Api { code, message, request_id, server_time } => ApiError::Api {
            code: clean(code),
            message: clean(message),
            request_id: clean(request_id),
            server_time,
        },
        other => other,
    }
}
