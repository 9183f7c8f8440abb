//! Faults between a client and the API, set by a test: which requests they affect, and how often.
//!
//! `wire` implements the faults of bytes and sockets; `http` and `api` implement the others.

mod plan;
mod wire;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::{
    plan::{Faults, Plan, RequestKey},
    wire::{Body, Reset, modified, replacement, whole},
};

/// A fault and its conditions. It affects requests that match every condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests for this region.
    #[serde(default)]
    pub region: Option<String>,
    /// Only requests of this action.
    #[serde(default)]
    pub action: Option<String>,
    /// Only requests with this `Offset`.
    #[serde(default)]
    pub offset: Option<usize>,
    /// The number of matching requests that are not affected at first.
    #[serde(default)]
    pub skip: usize,
    /// The share of later matching requests that is affected, evenly distributed: above 0, at most 1.
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
    /// The response is delayed.
    Latency {
        /// The delay.
        milliseconds: u64,
    },
    /// The response is an API error, for example `RequestLimitExceeded` or `InternalError.ModuleError`.
    Error {
        /// The error code.
        code: String,
    },
    /// The connection is reset before the response.
    Reset,
    /// No part of the response is sent, and the connection stays open.
    StallHeaders,
    /// Only the first half of the body is sent, and the connection stays open.
    StallBody,
    /// The body is sent slowly.
    Drip {
        /// The speed; at least 10.
        bytes_per_second: usize,
    },
    /// The connection ends after the first half of the body.
    Truncate,
    /// Another body replaces the response, with status 200: for example HTML, invalid JSON, or nothing.
    Body {
        /// Its `Content-Type`.
        content_type: String,
        /// The body.
        text: String,
    },
    /// The body starts like a normal response and never ends.
    Endless,
    /// The body is small, but large after decompression.
    Inflate {
        /// The decompressed size.
        mebibytes: usize,
    },
    /// The page ignores the parameters and has a fixed number of rows of the requested listing. Each row has only an
    /// identifier. The response of `GetMonitorData` has this number of tunnels without data.
    Rows {
        /// The number of rows.
        count: usize,
    },
    /// A value in the response is replaced.
    Replace {
        /// A JSON pointer, such as `/Response/TotalCount`.
        pointer: String,
        /// The new value.
        value: Value,
    },
    /// A value in the response is removed.
    Remove {
        /// A JSON pointer, such as `/Response/VpnConnectionSet/0/VpnConnectionId`.
        pointer: String,
    },
    /// The response has another status and an HTML body, as from a gateway in between.
    Status {
        /// The HTTP status, from 200 to 599.
        status: u16,
        /// The `Retry-After` header: seconds, or a date.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The response is a redirect, with status 302.
    Redirect {
        /// The `Location` header.
        location: String,
    },
    /// The server's clock, which the `Date` header shows, is wrong.
    ClockSkew {
        /// The difference; positive means ahead, negative means behind.
        seconds: i64,
    },
    /// The rows of the requested listing change after the response, so that later pages shift: the region's tunnels,
    /// gateways or customer gateways. Removed gateways keep their tunnels. It has no effect on `GetMonitorData`.
    Drift {
        /// The index of the row to remove.
        #[serde(default)]
        remove: Option<usize>,
        /// The number of rows to add at the end.
        #[serde(default)]
        add: usize,
    },
}

/// An invalid fault: the key, its value and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidFault {
    /// The region is not simulated.
    #[error("faults: region {0:?} is not simulated; choose a simulated region, or none for all")]
    Region(String),
    /// The action does not exist.
    #[error("faults: action {0:?} is not simulated; choose a simulated action, or none for all")]
    Action(String),
    /// The share is not above 0 and at most 1.
    #[error("faults: share {0} is invalid; choose a value above 0 and at most 1")]
    Share(f64),
    /// The status is not from 200 to 599.
    #[error("faults: status {0} is not a final HTTP status; choose 200 to 599")]
    Status(u16),
    /// The text is not valid in a header.
    #[error("faults: {0:?} cannot be in a header; use printable ASCII")]
    Header(String),
    /// The JSON pointer does not start with `/`.
    #[error("faults: pointer {0:?} is not a JSON pointer; write for example /Response/TotalCount")]
    Pointer(String),
    /// The size is above 1024 mebibytes.
    #[error("faults: {0} mebibytes are too many to inflate to; choose at most 1024")]
    Inflate(usize),
    /// The number of rows or tunnels is above 1,000,000.
    #[error("faults: {0} rows or tunnels are too many; choose at most 1000000")]
    Count(usize),
    /// The speed is below 10 bytes per second.
    #[error("faults: {0} bytes per second is too slow; choose at least 10, or a stall")]
    Drip(usize),
}

impl Fault {
    /// Creates a fault that affects every request.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { region: None, action: None, offset: None, skip: 0, share: 1.0, times: None, kind }
    }

    /// Creates a fault that affects only the next request.
    #[must_use]
    pub fn once(kind: FaultKind) -> Self {
        Self { times: Some(1), ..Self::new(kind) }
    }

    /// Rejects conditions and values that are invalid.
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
            let valid = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            if valid { Ok(()) } else { Err(InvalidFault::Header(text.to_owned())) }
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

    /// Its name in JSON and in the journal.
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
            (named(None, Some("Descry")), Some("faults: action \"Descry\" is not simulated")),
            (Fault { share: 0.0, ..of(FaultKind::Reset) }, Some("faults: share 0 is invalid")),
            (Fault { share: f64::NAN, ..of(FaultKind::Reset) }, Some("faults: share NaN is invalid")),
            (
                of(FaultKind::Status { status: 100, retry_after: None }),
                Some("faults: status 100 is not a final"),
            ),
            (
                of(FaultKind::Redirect { location: "/\n".into() }),
                Some("faults: \"/\\n\" cannot be in a header"),
            ),
            (of(FaultKind::Remove { pointer }), Some("faults: pointer \"Response\" is not a JSON pointer")),
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
