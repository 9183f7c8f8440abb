//! Faults between a client and the API, set by a test: which requests they affect, and how often.
//!
//! The API knows nothing of this. Faults that need bytes or sockets are carried out in `wire`.

mod plan;
mod wire;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::{
    plan::{Asked, Faults, Plan},
    wire::{Body, Reset, instead, spoilt, whole},
};

/// A fault, and the requests that it affects: those that match every condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests for this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only requests of this action.
    #[serde(default)]
    pub action: Option<String>,
    /// Only requests for a page that begins with this row.
    #[serde(default)]
    pub offset: Option<usize>,
    /// How many matching requests succeed before the first fault.
    #[serde(default)]
    pub skip: usize,
    /// The share of the matching requests that is affected after that, evenly distributed: from 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// The fault ends after this number of affected requests; `None` means never.
    #[serde(default)]
    pub times: Option<usize>,
    /// What happens.
    pub kind: FaultKind,
}

fn all() -> f64 {
    1.0
}

/// What happens to a request or to its response. Several faults of one request are combined where that is possible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The answer is held back.
    Latency {
        /// For how long.
        milliseconds: u64,
    },
    /// The API answers with an error: `RequestLimitExceeded` or `InternalError.ModuleError`, say.
    Error {
        /// Its code.
        code: String,
    },
    /// The connection is reset before an answer.
    Reset,
    /// Not even the answer's head comes.
    StallHeaders,
    /// The first half of the body comes, and then nothing more.
    StallBody,
    /// The body comes slowly.
    Drip {
        /// How slowly; at least 10.
        bytes_per_second: usize,
    },
    /// The connection ends after the first half of the body.
    Truncate,
    /// Another body comes in place of the answer's, with status 200: HTML, or no JSON, or nothing.
    Body {
        /// Its `Content-Type`.
        content_type: String,
        /// The body.
        text: String,
    },
    /// A body that begins like an answer never ends.
    Endless,
    /// The body is small, and large once it is decompressed.
    Inflate {
        /// How large.
        mebibytes: usize,
    },
    /// The page has so many rows, whatever was asked for: each with an identifier and nothing else.
    Rows {
        /// How many.
        count: usize,
    },
    /// A part of the answer has another value.
    Replace {
        /// Which part, as a JSON pointer: `/Response/TotalCount`.
        pointer: String,
        /// The value.
        value: Value,
    },
    /// A part of the answer is left out.
    Remove {
        /// Which part, as a JSON pointer: `/Response/VpnConnectionSet/0/VpnConnectionId`.
        pointer: String,
    },
    /// A gateway in between answers with another status, and with HTML.
    Status {
        /// The status.
        status: u16,
        /// The `Retry-After` header: seconds, or a date.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The client is sent elsewhere, with status 302.
    Redirect {
        /// The `Location` header.
        location: String,
    },
    /// The server's clock is off, as its `Date` header tells.
    ClockSkew {
        /// How far it is ahead; negative where it is behind.
        seconds: i64,
    },
    /// Right after the answer the region's tunnels change, so that its pages drift.
    Drift {
        /// The place in the listing of a tunnel that is taken away.
        #[serde(default)]
        remove: Option<usize>,
        /// How many tunnels are made, at the end.
        #[serde(default)]
        add: usize,
    },
}

/// Why a fault was refused: the key, its value and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidFault {
    /// It would never affect a request.
    #[error("faults: region {0:?} is not simulated; name one that is, or none for all")]
    Region(String),
    /// It would never affect a request.
    #[error("faults: action {0:?} is not offered; name one that is, or none for all")]
    Action(String),
    /// No share at all.
    #[error("faults: share {0} is none; choose more than 0 and at most 1")]
    Share(f64),
    /// No status that can be answered with.
    #[error("faults: status {0} cannot end a request; choose 200 to 599")]
    Status(u16),
    /// Nothing that a header can hold.
    #[error("faults: {0:?} cannot be in a header; use printable ASCII")]
    Header(String),
    /// Nothing that points into an answer.
    #[error("faults: pointer {0:?} points nowhere; write it like /Response/TotalCount")]
    Pointer(String),
    /// A larger size than any test needs.
    #[error("faults: {0} mebibytes are too many to inflate to; choose at most 1024")]
    Inflate(usize),
    /// More rows than any test needs.
    #[error("faults: {0} rows or tunnels are too many; choose at most 1000000")]
    Count(usize),
    /// So slow that it stalls.
    #[error("faults: {0} bytes per second is too slow; choose at least 10, or a stall")]
    Drip(usize),
}

impl Fault {
    /// Affects every request until it is removed.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { region: None, action: None, offset: None, skip: 0, share: 1.0, times: None, kind }
    }

    /// Befalls the next request, and no other.
    #[must_use]
    pub fn once(kind: FaultKind) -> Self {
        Self { times: Some(1), ..Self::new(kind) }
    }

    /// Refuses what could never happen.
    pub(super) fn check(
        &self,
        is_region: impl Fn(&str) -> bool,
        is_action: impl Fn(&str) -> bool,
    ) -> Result<(), InvalidFault> {
        match (&self.region, &self.action) {
            (Some(region), _) if !is_region(region) => return Err(InvalidFault::Region(region.clone())),
            (_, Some(action)) if !is_action(action) => return Err(InvalidFault::Action(action.clone())),
            _ => {}
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(InvalidFault::Share(self.share));
        }
        self.kind.check()
    }
}

impl FaultKind {
    fn check(&self) -> Result<(), InvalidFault> {
        let header = |text: &str| {
            let fits = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            if fits { Ok(()) } else { Err(InvalidFault::Header(text.to_owned())) }
        };
        match self {
            Self::Status { status, .. } if !(200..600).contains(status) => Err(InvalidFault::Status(*status)),
            Self::Status { retry_after: Some(text), .. }
            | Self::Redirect { location: text }
            | Self::Body { content_type: text, .. } => header(text),
            Self::Replace { pointer, .. } | Self::Remove { pointer } if !pointer.starts_with('/') => {
                Err(InvalidFault::Pointer(pointer.clone()))
            }
            Self::Inflate { mebibytes } if *mebibytes > 1024 => Err(InvalidFault::Inflate(*mebibytes)),
            Self::Rows { count: many } | Self::Drift { add: many, .. } if *many > 1_000_000 => {
                Err(InvalidFault::Count(*many))
            }
            Self::Drip { bytes_per_second } if *bytes_per_second < 10 => {
                Err(InvalidFault::Drip(*bytes_per_second))
            }
            _ => Ok(()),
        }
    }

    /// What a journal calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Error { .. } => "error",
            Self::Reset => "reset",
            Self::StallHeaders => "stall_headers",
            Self::StallBody => "stall_body",
            Self::Drip { .. } => "drip",
            Self::Truncate => "truncate",
            Self::Body { .. } => "body",
            Self::Endless => "endless",
            Self::Inflate { .. } => "inflate",
            Self::Rows { .. } => "rows",
            Self::Replace { .. } => "replace",
            Self::Remove { .. } => "remove",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::ClockSkew { .. } => "clock_skew",
            Self::Drift { .. } => "drift",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_fault_is_refused() {
        let named = |region: Option<&str>, action: Option<&str>| Fault {
            region: region.map(Into::into),
            action: action.map(Into::into),
            ..Fault::new(FaultKind::Reset)
        };
        let of = |kind| Fault::new(kind);
        let pointer = "Response".to_owned();
        let table = [
            (named(Some("eu"), Some("Describe")), None),
            (named(Some("ue"), None), Some("faults: region \"ue\" is not simulated")),
            (named(None, Some("Descry")), Some("faults: action \"Descry\" is not offered")),
            (Fault { share: 0.0, ..of(FaultKind::Reset) }, Some("faults: share 0 is none")),
            (Fault { share: f64::NAN, ..of(FaultKind::Reset) }, Some("faults: share NaN is none")),
            (of(FaultKind::Status { status: 100, retry_after: None }), Some("faults: status 100 cannot end")),
            (
                of(FaultKind::Redirect { location: "/\n".into() }),
                Some("faults: \"/\\n\" cannot be in a header"),
            ),
            (of(FaultKind::Remove { pointer }), Some("faults: pointer \"Response\" points nowhere")),
            (of(FaultKind::Inflate { mebibytes: 1025 }), Some("faults: 1025 mebibytes are too many")),
            (of(FaultKind::Rows { count: 1_000_001 }), Some("faults: 1000001 rows or tunnels are too many")),
            (of(FaultKind::Drip { bytes_per_second: 0 }), Some("faults: 0 bytes per second is too slow")),
        ];
        for (fault, expected) in table {
            let result = fault.check(|region| region == "eu", |action| action == "Describe");
            match (result, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (result, _) => panic!("{fault:?}: {result:?}"),
            }
        }
    }

    #[test]
    fn fault_is_read_from_json() {
        let text = r#"{"region": "eu", "times": 2, "kind": {"error": {"code": "InternalError"}}}"#;
        let fault: Fault = serde_json::from_str(text).expect("a fault");
        let kind = FaultKind::Error { code: "InternalError".into() };
        let expected = Fault { region: Some("eu".into()), times: Some(2), ..Fault::new(kind) };
        assert_eq!(fault, expected);
        assert!(serde_json::from_str::<Fault>(r#"{"kind": "reset"}"#).is_ok());
        assert!(serde_json::from_str::<Fault>(r#"{"kind": "reset", "regions": "eu"}"#).is_err());
    }
}
