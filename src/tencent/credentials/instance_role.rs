//! `instance_role`: the role of this machine, from its metadata service.

use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::{
    issued::{Issued, IssuedFields},
    source::{Loaded, Source, SourceError},
};
use crate::tencent::{
    client::Client,
    error::ApiError,
    field::{Field, object, text},
};

/// The path of the role's name. The path of the credentials is the same, followed by that name.
const PATH: &str = "/latest/meta-data/cam/security-credentials/";

/// The maximum length of a role's name: longer than any real name.
const MAX_NAME_BYTES: usize = 256;

/// The metadata service. It is called without any proxy.
#[derive(Debug)]
pub struct InstanceRole {
    client: Client,
    url: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResponseFields<'a> {
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    expired_time: Field<'a>,
}

impl InstanceRole {
    /// The service at the scheme, host and port of `endpoint`.
    #[must_use]
    pub fn new(client: Client, endpoint: &Url) -> Self {
        let mut url = endpoint.clone();
        url.set_path(PATH);
        Self { client, url }
    }

    async fn read(&self) -> Result<Loaded, SourceError> {
        let role = self.role().await?;
        let mut url = self.url.clone();
        url.path_segments_mut().expect("an endpoint has a host").pop_if_empty().push(&role);
        let failed = |error: &ApiError| SourceError::Failed(format!("metadata service, {url}: {error}"));
        let response = self.client.get(url.clone()).await.map_err(|error| failed(&error))?;
        let issued = issued(&response.value).map_err(|error| failed(&error))?;
        issued.loaded(format!("the role {role} of this instance"), Timestamp::now(), response.server_time)
    }

    /// The role's name. Most machines have no metadata service or no role, so every problem means `Absent`.
    async fn role(&self) -> Result<String, SourceError> {
        let problem = match self.client.get(self.url.clone()).await {
            Ok(response) => match role_name(&response.value) {
                Some(name) => return Ok(name),
                None => "the response has no role name".to_owned(),
            },
            Err(ApiError::Status { status: 404, .. }) => "this instance has no role".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SourceError::Absent(format!(
            "metadata service, {}: {problem}; give the instance a role, and check that the service can be reached",
            self.url
        )))
    }
}

fn role_name(body: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(body).ok()?.trim();
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.chars().all(|c| c.is_alphanumeric() || "+=,.@_-".contains(c));
    is_name.then(|| name.to_owned())
}

fn issued(body: &[u8]) -> Result<Issued, ApiError> {
    let ResponseFields { code, expired_time } = object(body)?;
    match text(code).as_deref() {
        Some("Success") => Issued::read(&object::<IssuedFields<'_>>(body)?, expired_time),
        Some(code) if is_error_code(code) => {
            Err(ApiError::malformed(format!("its Code is {code:?}, not Success")))
        }
        Some(_) => Err(ApiError::malformed("its Code is not Success")),
        None => Err(ApiError::malformed("it has no Code")),
    }
}

/// Whether a text can be shown as an error code: a short word of letters. Keys and tokens are never such words.
fn is_error_code(text: &str) -> bool {
    text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphabetic() || c == '.')
}

impl Source for InstanceRole {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.read().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_like_code_is_not_shown() {
        let message =
            |code: &str| issued(format!(r#"{{"Code": "{code}"}}"#).as_bytes()).expect_err(code).to_string();
        assert_eq!(message("RoleNotFound"), "malformed response: its Code is \"RoleNotFound\", not Success");
        assert_eq!(
            message("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"),
            "malformed response: its Code is not Success"
        );
    }
}
