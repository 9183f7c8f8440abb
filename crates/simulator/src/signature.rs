//! Checks TC3-HMAC-SHA256 signatures, as Tencent's document specifies them. A test uses its published example.

use hmac::{Hmac, KeyInit, Mac};
use hyper::{HeaderMap, header::HOST};
use sha2::{Digest, Sha256};

use super::error::ApiError;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const TERMINATOR: &str = "tc3_request";
/// The maximum difference between a request's timestamp and the server's clock, in seconds.
const TOLERANCE: u64 = 300;

/// The parts of an `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) secret_id: &'a str,
    date: &'a str,
    pub(super) service: &'a str,
    signed_headers: &'a str,
    signature: Vec<u8>,
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(header: &'a str) -> Result<Self, ApiError> {
        Self::parts(header).ok_or_else(|| {
            let message = format!(
                "The header `Authorization` must read `{ALGORITHM} Credential=<SecretId>/<date>/<service>/\
                 {TERMINATOR}, SignedHeaders=content-type;host, Signature=<hex>`."
            );
            ApiError::new("AuthFailure.InvalidAuthorization", message)
        })
    }

    fn parts(header: &'a str) -> Option<Self> {
        let mut fields = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(',').map(str::trim);
        let scope = fields.next()?.strip_prefix("Credential=")?;
        let signed_headers = fields.next()?.strip_prefix("SignedHeaders=")?;
        let signature = hex::decode(fields.next()?.strip_prefix("Signature=")?).ok()?;
        let mut scope = scope.split('/');
        let parts = Self {
            secret_id: scope.next()?,
            date: scope.next()?,
            service: scope.next()?,
            signed_headers,
            signature,
        };
        let whole = scope.next() == Some(TERMINATOR) && scope.next().is_none() && fields.next().is_none();
        whole.then_some(parts)
    }

    /// Checks the signature of a request. `timestamp` is `X-TC-Timestamp`, in Unix seconds.
    pub(super) fn check(
        &self,
        key: &str,
        timestamp: u64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), ApiError> {
        if utc_date(timestamp).as_deref() != Some(self.date) {
            return Err(failure("The date of the credential is not the UTC date of `X-TC-Timestamp`."));
        }
        let signed: Vec<&str> = self.signed_headers.split(';').collect();
        if !(signed.contains(&"content-type") && signed.contains(&"host")) {
            return Err(failure("Both `content-type` and `host` must be signed."));
        }
        // Tencent's Node SDK signs the host without its port. This matters only on non-default ports.
        let valid = [host(headers), host(headers).map(without_port)].into_iter().flatten().any(|host| {
            let request = self.canonical_request(host, headers, body);
            self.mac(key, timestamp, &request).verify_slice(&self.signature).is_ok()
        });
        if valid {
            Ok(())
        } else {
            Err(failure("The signature does not fit the request and the secret key."))
        }
    }

    fn canonical_request(&self, host: &str, headers: &HeaderMap, body: &[u8]) -> String {
        let lines = self.signed_headers.split(';').map(|name| {
            let value = if name == "host" { Some(host) } else { text(headers, name) };
            format!("{name}:{}\n", value.unwrap_or_default().trim().to_lowercase())
        });
        let canonical_headers: String = lines.collect();
        let hash = hex::encode(Sha256::digest(body));
        format!("POST\n/\n\n{canonical_headers}\n{}\n{hash}", self.signed_headers)
    }

    fn mac(&self, key: &str, timestamp: u64, canonical_request: &str) -> Hmac<Sha256> {
        let Self { date, service, .. } = self;
        let hash = hex::encode(Sha256::digest(canonical_request));
        let date_key = keyed(format!("TC3{key}").as_bytes(), date);
        let service_key = keyed(&date_key.finalize().into_bytes(), service);
        let signing_key = keyed(&service_key.finalize().into_bytes(), TERMINATOR);
        keyed(
            &signing_key.finalize().into_bytes(),
            &format!("{ALGORITHM}\n{timestamp}\n{date}/{service}/{TERMINATOR}\n{hash}"),
        )
    }
}

/// Refuses a timestamp that is too far from the server's clock. Both are in Unix seconds.
pub(super) fn check_time(timestamp: u64, now: u64) -> Result<(), ApiError> {
    if timestamp.abs_diff(now) <= TOLERANCE {
        return Ok(());
    }
    let message =
        format!("`X-TC-Timestamp` is {timestamp}, more than {TOLERANCE} s from the server's {now}.");
    Err(ApiError::new("AuthFailure.SignatureExpire", message))
}

fn keyed(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text.as_bytes());
    mac
}

fn failure(message: &str) -> ApiError {
    ApiError::new("AuthFailure.SignatureFailure", message)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    text(headers, HOST.as_str())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn utc_date(timestamp: u64) -> Option<String> {
    let time = jiff::Timestamp::from_second(i64::try_from(timestamp).ok()?).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(time).date().to_string())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    // Tencent's published example.
    const KEY: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
    const TIMESTAMP: u64 = 1_551_113_065;
    const BODY: &str =
        r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
    const BODY_HASH: &str = "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064";
    const REQUEST_HASH: &str = "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031";
    const HEADER: &str = "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2019-02-25/cvm/tc3_request, \
                          SignedHeaders=content-type;host, \
                          Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";

    fn headers(host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
        headers
    }

    fn check(header: &str, host: &'static str, key: &str, timestamp: u64, body: &str) -> Result<(), String> {
        let authorization = Authorization::parse(header).expect("a header of the right shape");
        authorization.check(key, timestamp, &headers(host), body.as_bytes()).map_err(|e| e.code.into_owned())
    }

    #[test]
    fn published_example_is_accepted() {
        let authorization = Authorization::parse(HEADER).expect("the published header");
        let request =
            authorization.canonical_request("cvm.tencentcloudapi.com", &headers(""), BODY.as_bytes());
        assert!(request.ends_with(BODY_HASH), "{request}");
        assert_eq!(hex::encode(Sha256::digest(&request)), REQUEST_HASH);
        assert_eq!(check(HEADER, "cvm.tencentcloudapi.com", KEY, TIMESTAMP, BODY), Ok(()));
    }

    #[test]
    fn change_of_any_signed_part_is_refused() {
        let failure = || Err("AuthFailure.SignatureFailure".to_owned());
        let host = "cvm.tencentcloudapi.com";
        assert_eq!(check(HEADER, "vpc.tencentcloudapi.com", KEY, TIMESTAMP, BODY), failure());
        assert_eq!(check(HEADER, host, "another key", TIMESTAMP, BODY), failure());
        assert_eq!(check(HEADER, host, KEY, TIMESTAMP + 1, BODY), failure());
        assert_eq!(check(HEADER, host, KEY, TIMESTAMP + 86_400, BODY), failure());
        assert_eq!(check(HEADER, host, KEY, TIMESTAMP, "{}"), failure());
        assert_eq!(check(&HEADER.replace("cvm", "vpc"), host, KEY, TIMESTAMP, BODY), failure());
        assert_eq!(check(&HEADER.replace("content-type;", ""), host, KEY, TIMESTAMP, BODY), failure());
    }

    #[test]
    fn the_host_may_be_signed_without_its_port() {
        assert_eq!(check(HEADER, "cvm.tencentcloudapi.com:8080", KEY, TIMESTAMP, BODY), Ok(()));
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }

    #[test]
    fn malformed_authorization_header_is_refused() {
        let bad = [
            "",
            "SKIP",
            "TC3-HMAC-SHA256",
            &HEADER.replace("TC3-HMAC-SHA256", "TC3-HMAC-SHA512"),
            &HEADER.replace("tc3_request", "tc4_request"),
            &HEADER.replace("/cvm", ""),
            &HEADER.replace("Signature=72", "Signature=xx"),
            &HEADER.replace("SignedHeaders", "Signed"),
        ];
        for header in bad {
            let error = Authorization::parse(header).expect_err(header);
            assert_eq!(error.code, "AuthFailure.InvalidAuthorization");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_300_seconds() {
        for (timestamp, accepted) in [(1000, true), (1300, true), (700, true), (1301, false), (699, false)] {
            assert_eq!(check_time(timestamp, 1000).is_ok(), accepted, "{timestamp}");
        }
    }
}
