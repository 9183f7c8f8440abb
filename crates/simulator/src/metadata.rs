//! The metadata service: what an instance is told about its role, unsigned and over plain HTTP.

use serde::Serialize;

use super::{
    clock::Moment,
    faults::Plan,
    identity::instance_role,
    journal::Entry,
    sessions::{Expiry, Sessions, Temporary},
};

const PREFIX: &str = "/latest/meta-data/cam/security-credentials/";
/// How long the credentials of an instance are good, in seconds.
const DURATION: u64 = 6 * 3600;

/// What is asked for; its name is what faults and the journal call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question<'a> {
    /// Which role the instance has.
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

impl<'a> Question<'a> {
    /// Reads the path of a request.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        match path.strip_prefix(PREFIX)? {
            "" => Some(Self::Role),
            role => Some(Self::Credentials(role)),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Role => "MetadataRole",
            Self::Credentials(_) => "MetadataCredentials",
        }
    }

    /// Whether there is a question of this name.
    pub(super) fn is_known(name: &str) -> bool {
        [Self::Role, Self::Credentials("")].iter().any(|question| question.name() == name)
    }

    /// The answer's body; `None` where the instance has no role, or another one.
    pub(super) fn answer(self, role: Option<&str>, sessions: &Sessions, now: u64) -> Option<Vec<u8>> {
        let role = role?;
        match self {
            Self::Role => Some(role.as_bytes().to_vec()),
            Self::Credentials(asked) if asked != role => None,
            Self::Credentials(_) => {
                let credentials = sessions.give(&instance_role(role), DURATION, now);
                let granted = Granted { expires: credentials.expires.clone(), credentials, code: "Success" };
                Some(serde_json::to_vec(&granted).expect("an answer has only text for keys"))
            }
        }
    }

    /// What the journal is told.
    pub(super) fn entry(self, plan: &Plan, now: Moment) -> Entry {
        Entry { at: now.world, action: self.name().to_owned(), faults: plan.names(), ..Entry::default() }
    }
}

/// What the service says instead of credentials when it fails with a code.
pub(super) fn failure(code: &str) -> Vec<u8> {
    serde_json::json!({ "Code": code }).to_string().into_bytes()
}
