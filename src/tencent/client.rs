//! Sends one signed request, reads the whole response within limits, and parses it into a value or an [`ApiError`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use tokio::{sync::Semaphore, time::timeout};
use zeroize::Zeroizing;

use super::{
    action::{Action, Service, WithServerTime},
    body::{Bodies, Body},
    credentials::source::{Credentials, SourceError},
    envelope,
    error::ApiError,
    field::cut,
    sign,
    transport::{Authorities, ClientError, ConnectionSettings, Route, Transport},
};
use crate::domain::{secret::Secret, target::Region};

const JSON: &str = "application/json";
const REQUEST_CLIENT: &str = concat!("tencentcloud-vpn-exporter-", env!("CARGO_PKG_VERSION"));

/// The maximum length of the code, the message and the request id of an error, in characters.
const MAX_ERROR_CHARS: usize = 300;

/// The maximum number of concurrent requests of this process. Each may need its own connection, and systems often allow only
/// 1024 open files.
const MAX_REQUESTS: usize = 256;

/// The value of `Authorization` in a request that is not signed.
const UNSIGNED: &str = "SKIP";

/// Where and when a request is sent, and with which credentials.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestContext<'a> {
    /// The address of the product for the region.
    pub(super) url: &'a Url,
    /// `X-TC-Region`.
    pub(super) region: &'a Region,
    /// `None`: the request is not signed, because its parameters contain a token.
    pub(super) credentials: Option<&'a Credentials>,
    /// The time of the request: the local clock, corrected if necessary.
    pub(super) now: Timestamp,
}

/// Sends requests over pools of connections, which all accounts and regions share.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<Transport>,
    request_timeout: Duration,
    requests: Arc<Semaphore>,
    bodies: Arc<Bodies>,
}

impl Client {
    /// Creates pools of connections without opening one. The error names `api.ca_file`, or says why TLS or the HTTP client
    /// cannot be set up.
    pub fn new(
        settings: ConnectionSettings,
        connect_timeout: Duration,
        authorities: Authorities,
    ) -> Result<Self, ClientError> {
        // This fails if another part of the process has installed the same provider, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            request_timeout: settings.request_timeout,
            transport: Arc::new(Transport::new(settings, connect_timeout, authorities)?),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            bodies: Arc::default(),
        })
    }

    /// Changes the certificate authorities and the connect time-out, and drops all pooled connections. This applies to all
    /// clones. An error changes nothing.
    pub fn replace_connections(
        &self,
        authorities: Authorities,
        connect_timeout: Duration,
    ) -> Result<(), ClientError> {
        self.transport.replace_connections(authorities, connect_timeout)
    }

    /// The route of requests to this URL.
    #[must_use]
    pub fn route(&self, url: &Url) -> Route {
        Route { url: url.clone(), proxy: self.transport.proxy(url).cloned() }
    }

    /// Sends one request. A time-out drops all pooled connections. Cancelling the future does the same.
    pub(super) async fn post<A: Action>(
        &self,
        action: &A,
        context: &RequestContext<'_>,
    ) -> Result<WithServerTime<A::Response>, ApiError> {
        let body = action.body();
        let headers = headers(A::SERVICE, A::NAME, &body, context)?;
        let body = Bytes::from_owner(body);
        let request = |http: &reqwest::Client| http.post(context.url.clone()).headers(headers).body(body);
        let WithServerTime { value: body, server_time } = self.send(context.url, false, request).await?;
        let response = envelope::parse(&body, server_time).map_err(|error| {
            let of_credentials = context.credentials.into_iter().flat_map(Credentials::secrets);
            redact(error, of_credentials.chain(action.secrets()))
        });
        Ok(WithServerTime { value: A::read(&response?)?, server_time })
    }

    /// Gets a resource of the metadata service, without any proxy.
    pub(super) async fn get(&self, url: Url) -> Result<WithServerTime<Body<'_>>, ApiError> {
        self.send(&url, true, |http| http.get(url.clone())).await
    }

    /// Sends a request and reads the whole body of its response, within the request time-out.
    async fn send(
        &self,
        url: &Url,
        direct: bool,
        request: impl FnOnce(&reqwest::Client) -> RequestBuilder,
    ) -> Result<WithServerTime<Body<'_>>, ApiError> {
        let _permit = self.requests.acquire().await.expect("the semaphore is never closed");
        let guard = self.transport.guard(url, direct);
        let request = request(&guard.http);
        let exchange = async {
            let response = request.send().await.map_err(|error| self.connection_error(&error))?;
            check_status(&response)?;
            let server_time = date(&response);
            Ok(WithServerTime { value: self.bodies.read(response).await?, server_time })
        };
        let result = timeout(self.request_timeout, exchange).await;
        let result = result.unwrap_or(Err(ApiError::Timeout(self.request_timeout)));
        if !matches!(result, Err(ApiError::Timeout(_))) {
            guard.keep_pools();
        }
        result
    }

    fn connection_error(&self, error: &reqwest::Error) -> ApiError {
        if error.is_connect() && error.is_timeout() {
            return ApiError::NoConnection(self.transport.connect_timeout());
        }
        ApiError::connection(error)
    }
}

fn headers(
    service: Service,
    action: &'static str,
    body: &[u8],
    context: &RequestContext<'_>,
) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert("x-tc-action", HeaderValue::from_static(action));
    headers.insert("x-tc-version", HeaderValue::from_static(service.version));
    headers.insert("x-tc-timestamp", context.now.as_second().into());
    headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
    headers.insert("x-tc-requestclient", HeaderValue::from_static(REQUEST_CLIENT));
    let region = HeaderValue::from_str(context.region.as_str()).expect("a region has only header characters");
    headers.insert("x-tc-region", region);
    let Some(credentials) = context.credentials else {
        headers.insert(AUTHORIZATION, HeaderValue::from_static(UNSIGNED));
        return Ok(headers);
    };
    let authorization = authorization(service, body, context, credentials);
    headers.insert(AUTHORIZATION, sensitive(&authorization, "the secret id")?);
    if let Some(token) = &credentials.token {
        headers.insert("x-tc-token", sensitive(token.expose(), "the token")?);
    }
    Ok(headers)
}

fn authorization(
    service: Service,
    body: &[u8],
    context: &RequestContext<'_>,
    credentials: &Credentials,
) -> Zeroizing<String> {
    let host = host(context.url);
    let request =
        sign::Request { service: service.name, host: &host, content_type: JSON, body, time: context.now };
    request.authorization(&credentials.secret_id, &credentials.secret_key)
}

fn sensitive(text: &str, what: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        ApiError::Credentials(SourceError::Failed(format!(
            "{what} has characters that are not allowed in an HTTP header"
        )))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `Host` header, which is part of the signature: with the port if that is not the scheme's default.
fn host(url: &Url) -> String {
    let host = url.host_str().expect("an endpoint has a host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn check_status(response: &Response) -> Result<(), ApiError> {
    match response.status() {
        StatusCode::OK => Ok(()),
        status => Err(ApiError::Status { status: status.as_u16(), retry_after: retry_after(response) }),
    }
}

/// `Retry-After`, which has seconds or a date by the server's clock.
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

/// Removes these secrets from an error of the API, and shortens it. It redacts before it cuts: a truncated secret would not be
/// found.
fn redact<'a>(error: ApiError, secrets: impl Iterator<Item = &'a Secret>) -> ApiError {
    let ApiError::Api { code, message, request_id, server_time } = error else { return error };
    let mut texts = [code.to_string(), message, request_id];
    for secret in secrets.map(Secret::expose).filter(|secret| !secret.is_empty()) {
        for text in texts.iter_mut().filter(|text| text.contains(secret)) {
            *text = text.replace(secret, "(redacted)");
        }
    }
    let [shown, message, request_id] = texts.map(|text| cut(&text, MAX_ERROR_CHARS).to_owned());
    ApiError::Api { code: code.with_display(shown), message, request_id, server_time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reason::Reason;

    #[test]
    fn truncated_message_shows_no_part_of_secret() {
        let secret = Secret::new("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
        for before in [0, MAX_ERROR_CHARS - 31, MAX_ERROR_CHARS - 1, MAX_ERROR_CHARS] {
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
            assert!(!message.contains("Gu") && message.chars().count() <= MAX_ERROR_CHARS, "{message}");
            assert_eq!(request_id, "(redacted)");
        }
    }

    #[test]
    fn secret_in_an_error_code_keeps_its_reason() {
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
