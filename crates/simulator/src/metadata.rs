//! The metadata service: gives an instance its role and credentials, over plain HTTP and without signatures.

use serde::Serialize;

use super::{
    clock::Now,
    faults::Plan,
    identity::instance_role,
    journal::Entry,
    sessions::{Expiry, Sessions, Temporary},
};

const PREFIX: &str = "/latest/meta-data/cam/security-credentials/";
/// The lifetime of an instance's credentials, in seconds.
const DURATION: u64 = 6 * 3600;

/// A request to the metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataRequest<'a> {
    /// The name of the instance's role.
    Role,
    /// Credentials for this role.
    Credentials(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    #[serde(flatten)]
    credentials: Temporary,
    #[serde(flatten)]
    expires: Expiry,
    code: &'static str,
}

impl<'a> MetadataRequest<'a> {
    /// Reads the path of a request.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        match path.strip_prefix(PREFIX)? {
            "" => Some(Self::Role),
            role => Some(Self::Credentials(role)),
        }
    }

    /// The action name in faults and in the journal.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Role => "MetadataRole",
            Self::Credentials(_) => "MetadataCredentials",
        }
    }

    /// Whether a request has this name.
    pub(super) fn is_known(name: &str) -> bool {
        [Self::Role, Self::Credentials("")].iter().any(|request| request.name() == name)
    }

    /// The response body; `None` if the instance has no role or a different one. `now` is in Unix seconds.
    pub(super) fn response(self, role: Option<&str>, sessions: &Sessions, now: u64) -> Option<Vec<u8>> {
        let role = role?;
        match self {
            Self::Role => Some(role.as_bytes().to_vec()),
            Self::Credentials(requested) if requested != role => None,
            Self::Credentials(_) => {
                let credentials = sessions.issue(&instance_role(role), DURATION, now);
                let granted = Granted { expires: credentials.expires.clone(), credentials, code: "Success" };
                Some(serde_json::to_vec(&granted).expect("a response has only string keys"))
            }
        }
    }

    /// The journal entry of this request.
    pub(super) fn entry(self, plan: &Plan, now: Now) -> Entry {
        Entry { at: now.world, action: self.name().to_owned(), faults: plan.names(), ..Entry::default() }
    }
}

/// The response body for an error code.
pub(super) fn failure(code: &str) -> Vec<u8> {
    serde_json::json!({ "Code": code }).to_string().into_bytes()
}
