//! `instance_role`: the role of the machine that this runs on, from its metadata service.

use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::{Issued, Loaded, Source, SourceError, issued::IssuedFields};
use crate::tencent::{
    ApiError, Client,
    answer::{self, Field},
};

/// Where the service names the role; what is below that name are the role's credentials.
const PATH: &str = "/latest/meta-data/cam/security-credentials/";

/// The longest name that a role has, with room to spare.
const MAX_NAME_BYTES: usize = 256;

/// The metadata service, which is asked past every proxy.
#[derive(Debug)]
pub struct InstanceRole {
    client: Client,
    url: Url,
    clock: fn() -> Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerFields<'a> {
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    expired_time: Field<'a>,
}

impl InstanceRole {
    /// The service at `endpoint`, of which only scheme, host and port matter. `clock` is ours.
    #[must_use]
    pub fn new(client: Client, endpoint: &Url, clock: fn() -> Timestamp) -> Self {
        let mut url = endpoint.clone();
        url.set_path(PATH);
        Self { client, url, clock }
    }

    async fn read(&self) -> Result<Loaded, SourceError> {
        let role = self.role().await?;
        let mut url = self.url.clone();
        url.path_segments_mut().expect("an endpoint has a host").pop_if_empty().push(&role);
        let failed = |error: &ApiError| SourceError::Failed(format!("metadata service, {url}: {error}"));
        let answer = self.client.get(url.clone()).await.map_err(|error| failed(&error))?;
        let issued = issued(&answer.value).map_err(|error| failed(&error))?;
        issued.loaded(format!("the role {role} of this instance"), (self.clock)(), answer.server_time)
    }

    /// The role's name. Most machines have no such service, or one without a role: that is no failure.
    async fn role(&self) -> Result<String, SourceError> {
        let problem = match self.client.get(self.url.clone()).await {
            Ok(answer) => match role_name(&answer.value) {
                Some(name) => return Ok(name),
                None => "it answers with no role's name".to_owned(),
            },
            Err(ApiError::Status { status: 404, .. }) => "this instance has no role".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SourceError::Absent(format!(
            "metadata service, {}: {problem}; give the instance a role, and see that the service can be reached",
            self.url
        )))
    }
}

fn role_name(answer: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(answer).ok()?.trim();
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.chars().all(|c| c.is_alphanumeric() || "+=,.@_-".contains(c));
    is_name.then(|| name.to_owned())
}

fn issued(answer: &[u8]) -> Result<Issued, ApiError> {
    let AnswerFields { code, expired_time } = answer::parse(answer)?;
    match answer::text(code).as_deref() {
        Some("Success") => Issued::read(&answer::parse::<IssuedFields<'_>>(answer)?, expired_time),
        Some(code) if is_error_code(code) => {
            Err(ApiError::Malformed(format!("its Code is {code:?}, not Success")))
        }
        Some(_) => Err(ApiError::Malformed("its Code is not Success".into())),
        None => Err(ApiError::Malformed("it has no Code".into())),
    }
}

/// Whether a text can be shown as an error code: a short word of letters, which no key or token is.
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
        assert_eq!(message("RoleNotFound"), "malformed answer: its Code is \"RoleNotFound\", not Success");
        assert_eq!(message("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"), "malformed answer: its Code is not Success");
    }
}
