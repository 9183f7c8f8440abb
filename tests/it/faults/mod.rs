//! Each fault: the metrics are correct, the log reports it once, other targets are not affected, and
//! targets recover automatically.

mod counts;
mod failing;
mod large;
mod refused;
mod retried;
mod stale;
mod throttled;
mod tls;

use serde_json::Value;
use simulator::FaultKind;

fn error(code: &str) -> FaultKind {
    FaultKind::Error { code: code.to_owned() }
}

fn body(content_type: &str, text: &str) -> FaultKind {
    FaultKind::Body { content_type: content_type.to_owned(), text: text.to_owned() }
}

fn replaced(pointer: &str, value: Value) -> FaultKind {
    FaultKind::Replace { pointer: pointer.to_owned(), value }
}

fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, retry_after: None }
}
