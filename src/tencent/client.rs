//! One call: signed, sent once, its answer read whole within bounds, and turned into a value or an [`ApiError`].

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use serde_json::value::RawValue;
use tokio::{sync::Semaphore, time::timeout};
use zeroize::{Zeroize, Zeroizing};

use super::{
    ApiError, answer,
    body::{Bodies, Body},
    credentials::{Credentials, SourceError},
    sign,
    transport::{Authorities, ClientError, ConnectionSettings, Route, Transport, root_cause},
};
use crate::domain::{Region, Secret};

const JSON: &str = "application/json";
const REQUEST_CLIENT: &str = concat!("tencentcloud-vpn-exporter-", env!("CARGO_PKG_VERSION"));

/// How much of the API's own words is kept in each part of an error.
const MAX_WORDS_CHARS: usize = 300;

/// How many requests of the whole process are under way at once. Each may need a connection of its own, and systems often
/// allow no more than 1024 open files.
const MAX_REQUESTS: usize = 256;

/// What stands in `Authorization` where a call is not signed.
const UNSIGNED: &str = "SKIP";

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
    /// Security Token Service, which gives out temporary credentials.
    pub const STS: Self = Self { name: "sts", version: "2018-08-13" };
    /// Region management, which knows where a product is offered.
    pub const REGION: Self = Self { name: "region", version: "2022-06-27" };
}

/// One call of one action. Its body, which may hold a token, is not shown by `Debug` and is zeroed when it is dropped.
#[derive(Clone)]
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

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, action, region, url, body: _ } = self;
        f.debug_struct("Call")
            .field("service", service)
            .field("action", action)
            .field("region", region)
            .field("url", &url.as_str())
            .finish_non_exhaustive()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

/// A value, and when the other side says that it was sent.
#[derive(Debug)]
pub struct Dated<T> {
    /// The value.
    pub value: T,
    /// The other side's clock, by its answer's `Date`.
    pub server_time: Option<Timestamp>,
}

/// What an action's answer is read into.
pub trait FromResponse: Sized {
    /// Reads what is in `Response`, which is known not to be an error.
    fn from_response(response: &RawValue) -> Result<Self, ApiError>;
}

/// How calls are sent: pools of connections for all accounts and regions.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
    request_timeout: Duration,
    requests: Arc<Semaphore>,
    bodies: Arc<Bodies>,
}

impl Client {
    /// Prepares pools of connections; nothing is sent. Errors name `api.ca_file`, or say why TLS or the HTTP client cannot be set up.
    pub fn new(settings: ConnectionSettings, authorities: Authorities) -> Result<Self, ClientError> {
        // Another part of the process may have chosen the same provider before: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            request_timeout: settings.request_timeout,
            transport: Arc::new(Transport::new(settings, authorities)?),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            bodies: Arc::default(),
        })
    }

    /// Uses these certificate authorities and this time-out for connections from now on, and drops all pooled connections;
    /// so do all clones. After an error, everything stays as it was.
    pub fn renew(&self, authorities: Authorities, connect_timeout: Duration) -> Result<(), ClientError> {
        self.transport.renew(authorities, connect_timeout)
    }

    /// The route of requests to this URL.
    #[must_use]
    pub fn route(&self, url: &Url) -> Route {
        Route { url: url.clone(), proxy: self.transport.proxy(url).cloned() }
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
        Ok(self.send_dated(call, credentials, now).await?.value)
    }

    /// Like [`send`](Self::send), and tells the API's clock too.
    pub async fn send_dated<T>(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Dated<T>, ApiError>
    where
        T: FromResponse,
    {
        self.exchange(call, Some(credentials), &[], now).await
    }

    /// Like [`send`](Self::send), also without a signature, where the body itself proves who calls. `confidential` are the
    /// secrets in the body: no error repeats them.
    pub(super) async fn exchange<T>(
        &self,
        call: &Call<'_>,
        credentials: Option<&Credentials>,
        confidential: &[&Secret],
        now: Timestamp,
    ) -> Result<Dated<T>, ApiError>
    where
        T: FromResponse,
    {
        let headers = headers(call, credentials, now)?;
        let body = Bytes::from_owner(Zeroizing::new(call.body.clone()));
        let request = |http: &reqwest::Client| http.post(call.url.clone()).headers(headers).body(body);
        let Dated { value: body, server_time } = self.answer(call.url, false, request).await?;
        let response = answer::unframe(&body, server_time).map_err(|error| {
            let of_caller = credentials.into_iter().flat_map(Credentials::secrets);
            redact(error, of_caller.chain(confidential.iter().copied()))
        });
        Ok(Dated { value: T::from_response(response?)?, server_time })
    }

    /// Gets what is at this address of the metadata service, whatever it is, past every proxy.
    pub(super) async fn get(&self, url: Url) -> Result<Dated<Body<'_>>, ApiError> {
        self.answer(&url, true, |http| http.get(url.clone())).await
    }

    /// Sends a request once, and reads its response's body whole, in its turn and in time. A time-out drops all
    /// pooled connections; so does dropping this future.
    async fn answer(
        &self,
        url: &Url,
        direct: bool,
        request: impl FnOnce(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Dated<Body<'_>>, ApiError> {
        let _turn = self.requests.acquire().await.expect("the semaphore is never closed");
        let lease = self.transport.lease(url, direct);
        let request = request(&lease.http);
        let exchange = async {
            let response = request.send().await.map_err(|error| self.connection(&error))?;
            accept_status(&response)?;
            let server_time = date(&response);
            Ok(Dated { value: self.bodies.read(response).await?, server_time })
        };
        let result = timeout(self.request_timeout, exchange).await;
        let result = result.unwrap_or(Err(ApiError::Timeout(self.request_timeout)));
        if !matches!(result, Err(ApiError::Timeout(_))) {
            lease.keep_pools();
        }
        result
    }

    fn connection(&self, error: &reqwest::Error) -> ApiError {
        if error.is_connect() && error.is_timeout() {
            return ApiError::NoConnection(self.transport.connect_timeout());
        }
        connection(error)
    }
}

pub(super) fn connection(error: &reqwest::Error) -> ApiError {
    ApiError::Connection(root_cause(error))
}

fn headers(
    call: &Call<'_>,
    credentials: Option<&Credentials>,
    now: Timestamp,
) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert("x-tc-action", HeaderValue::from_static(call.action));
    headers.insert("x-tc-version", HeaderValue::from_static(call.service.version));
    headers.insert("x-tc-timestamp", now.as_second().into());
    headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
    headers.insert("x-tc-requestclient", HeaderValue::from_static(REQUEST_CLIENT));
    let region = HeaderValue::from_str(call.region.as_str()).expect("a region is made of header characters");
    headers.insert("x-tc-region", region);
    let Some(credentials) = credentials else {
        headers.insert(AUTHORIZATION, HeaderValue::from_static(UNSIGNED));
        return Ok(headers);
    };
    headers.insert(AUTHORIZATION, sensitive(&authorization(call, credentials, now), "the secret id")?);
    if let Some(token) = &credentials.token {
        headers.insert("x-tc-token", sensitive(token.expose(), "the token")?);
    }
    Ok(headers)
}

fn authorization(call: &Call<'_>, credentials: &Credentials, now: Timestamp) -> Zeroizing<String> {
    let host = host(call.url);
    let signed = sign::Request {
        service: call.service.name,
        host: &host,
        content_type: JSON,
        body: call.body.as_bytes(),
        time: now,
    };
    signed.authorization(&credentials.secret_id, &credentials.secret_key)
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        ApiError::Credentials(SourceError::Failed(format!("{what} has characters that no header can carry")))
    })?;
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

/// `Retry-After` in seconds, or as a date by the server's clock.
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

/// Removes these secrets from the API's own words, and shortens them. They are shortened last: what is left of a secret
/// that was cut in two would not be found.
fn redact<'a>(error: ApiError, secrets: impl Iterator<Item = &'a Secret>) -> ApiError {
    let ApiError::Api { code, message, request_id, server_time } = error else { return error };
    let mut words = [code.to_string(), message, request_id];
    for secret in secrets.map(Secret::expose).filter(|secret| !secret.is_empty()) {
        for word in words.iter_mut().filter(|word| word.contains(secret)) {
            *word = word.replace(secret, "(redacted)");
        }
    }
    let [shown, message, request_id] = words.map(|word| answer::cut(&word, MAX_WORDS_CHARS).to_owned());
    ApiError::Api { code: code.shown_as(shown), message, request_id, server_time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn a_secret_that_is_repeated_at_the_end_of_what_is_kept_leaves_nothing_behind() {
        let secret = Secret::new("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
        for before in [0, MAX_WORDS_CHARS - 31, MAX_WORDS_CHARS - 1, MAX_WORDS_CHARS] {
            let message = "…".repeat(before) + secret.expose();
            let error = ApiError::Api {
                code: "AuthFailure".into(),
                message,
                request_id: secret.expose().into(),
                server_time: None,
            };
            let ApiError::Api { message, request_id, .. } = redact(error, [&secret].into_iter()) else {
                panic!("it is another error");
            };
            assert!(!message.contains("Gu") && message.chars().count() <= MAX_WORDS_CHARS, "{message}");
            assert_eq!(request_id, "(redacted)");
        }
    }

    #[test]
    fn secret_inside_a_code_changes_no_reason() {
        let secret = Secret::new("Error");
        let error = ApiError::Api {
            code: "InternalError.ModuleError".into(),
            message: "Error".into(),
            request_id: String::new(),
            server_time: None,
        };
        let error = redact(error, [&secret].into_iter());
        assert_eq!(error.reason(), Reason::ServerError);
        assert!(!error.to_string().contains("Error"), "{error}");
    }
}
