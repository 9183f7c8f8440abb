//! The signature TC3-HMAC-SHA256. Each stage is a separate function.
//!
//! Source: Tencent Cloud, "Signature method v3" of API 3.0, whose published example is checked below, stage by stage.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const SIGNED_HEADERS: &str = "content-type;host";

/// The signed parts of a `POST /`, exactly as they are sent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The product, such as `vpc`.
    pub service: &'a str,
    /// The `Host` header, with the port unless it is the scheme's default.
    pub host: &'a str,
    /// The `Content-Type` header.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The `X-TC-Timestamp` header, which also gives the date of the credential scope.
    pub time: Timestamp,
}

impl Request<'_> {
    /// The first stage: the request in its one canonical form.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!(
            "POST\n/\n\ncontent-type:{}\nhost:{}\n\n{SIGNED_HEADERS}\n{}",
            self.content_type.trim().to_lowercase(),
            self.host.trim().to_lowercase(),
            sha256_hex(self.body),
        )
    }

    /// The second stage: the string to sign.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        format!(
            "{ALGORITHM}\n{}\n{}\n{}",
            self.time.as_second(),
            self.scope(),
            sha256_hex(self.canonical().as_bytes()),
        )
    }

    /// The third stage: the signature, in lower-case hexadecimal.
    #[must_use]
    pub fn signature(&self, secret_key: &Secret) -> String {
        let key = signing_key(secret_key, &self.date(), self.service);
        hex::encode(hmac_sha256(&key[..], self.string_to_sign().as_bytes()))
    }

    /// The last stage: the value of the `Authorization` header.
    #[must_use]
    pub fn authorization(&self, secret_id: &Secret, secret_key: &Secret) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={SIGNED_HEADERS}, Signature={}",
            secret_id.expose(),
            self.scope(),
            self.signature(secret_key),
        ))
    }

    fn scope(&self) -> String {
        format!("{}/{}/tc3_request", self.date(), self.service)
    }

    /// The UTC date: the API would refuse a local date during some hours of every day.
    fn date(&self) -> String {
        self.time.strftime("%Y-%m-%d").to_string()
    }
}

/// The key of one day and one service.
fn signing_key(secret_key: &Secret, date: &str, service: &str) -> Zeroizing<[u8; 32]> {
    let start = Zeroizing::new(format!("TC3{}", secret_key.expose()));
    let of_date = Zeroizing::new(hmac_sha256(start.as_bytes(), date.as_bytes()));
    let of_service = Zeroizing::new(hmac_sha256(&of_date[..], service.as_bytes()));
    Zeroizing::new(hmac_sha256(&of_service[..], b"tc3_request"))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;

    fn published() -> Request<'static> {
        Request {
            service: "cvm",
            host: "cvm.tencentcloudapi.com",
            content_type: "application/json; charset=utf-8",
            body: BODY.as_bytes(),
            time: Timestamp::from_second(1_551_113_065).expect("a time"),
        }
    }

    fn key() -> Secret {
        Secret::new("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE")
    }

    #[test]
    fn published_example_matches_at_every_step() {
        let request = published();
        assert_eq!(
            sha256_hex(request.body),
            "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064"
        );
        assert_eq!(
            sha256_hex(request.canonical().as_bytes()),
            "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"
        );
        assert_eq!(
            request.string_to_sign(),
            "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n\
             5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"
        );
        assert_eq!(
            request.signature(&key()),
            "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
        );
        assert_eq!(
            *request.authorization(&Secret::new("AKIDEXAMPLE"), &key()),
            "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host, \
             Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
        );
    }

    #[test]
    fn signed_header_values_are_trimmed_and_lowercase() {
        let untidy = Request {
            host: " CVM.tencentcloudapi.com",
            content_type: "Application/JSON; charset=UTF-8 ",
            ..published()
        };
        assert_eq!(untidy.canonical(), published().canonical());
    }

    #[test]
    fn signature_scope_has_the_utc_date() {
        let second = |second| Timestamp::from_second(second).expect("a time");
        let before = Request { time: second(1_551_139_199), ..published() };
        let after = Request { time: second(1_551_139_200), ..published() };
        assert_eq!(before.scope(), "2019-02-25/cvm/tc3_request");
        assert_eq!(after.scope(), "2019-02-26/cvm/tc3_request");
    }
}
