//! `tunnels delete` when it is unknown whether the request arrived: a query precedes every further request.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use simulator::{FaultKind, Options};

use super::setup::{DELETE, GUANGZHOU, HOUR, LIST, Scene};
use test_support::{binary::assert_exit, frozen};

const DOUBT: &str = "the request may have arrived; querying the tunnel";
const UNKNOWN: &str =
    "it is unknown whether the request arrived; check `tunnels list` before you try again: ";

/// Responses to a query of one tunnel that do not prove that it is deleted.
fn unproven_responses(id: &str) -> Vec<(&'static str, FaultKind)> {
    const SET: &str = "/Response/VpnConnectionSet";
    const ID: &str = "/Response/VpnConnectionSet/0/VpnConnectionId";
    let replace = |pointer: &str, value: Value| FaultKind::Replace { pointer: pointer.to_owned(), value };
    let body = |content_type: &str, text: &str| FaultKind::Body {
        content_type: content_type.to_owned(),
        text: text.to_owned(),
    };
    vec![
        ("an empty page that counts one", replace(SET, json!([]))),
        ("no page that counts one", replace(SET, Value::Null)),
        ("a row without an id", FaultKind::Remove { pointer: ID.to_owned() }),
        ("a row with an empty id", replace(ID, json!(""))),
        ("a row that is no object", replace(&format!("{SET}/0"), json!("row"))),
        ("the id in capitals", replace(ID, json!(id.to_uppercase()))),
        ("another tunnel", replace(ID, json!("vpnx-00000000"))),
        ("a row that is not counted", replace("/Response/TotalCount", json!(0))),
        ("two rows without an id", FaultKind::Rows { count: 2 }),
        ("HTML", body("text/html", "<html>")),
        ("no response", body("application/json", "{}")),
        ("no list of tunnels", body("application/json", r#"{"Response": {"TotalCount": 0}}"#)),
        ("an answer that breaks off", FaultKind::Truncate),
        ("an error", FaultKind::Error { code: "InternalError".to_owned() }),
        ("a status", FaultKind::Status { status: 502, retry_after: None }),
    ]
}

#[tokio::test]
async fn wrong_response_does_not_confirm_the_deletion() {
    let names = unproven_responses("").into_iter().map(|(name, _)| name);
    let cases = names.enumerate().map(|(place, name)| async move {
        let scene = Scene::with(1).await;
        let tunnel = scene.tunnel(0);
        let (_, kind) = unproven_responses(&tunnel.id).remove(place);
        scene.set_faults([(LIST, 1, None, kind)]);
        let ended = scene.delete(&tunnel, &["--yes", "--timeout", "3s"]).await;
        assert_exit(name, &ended, 1, &["is not deleted after 3s; it may still be deleted later"]);
        assert!(!ended.stdout.contains("was deleted"), "{name}: {}", ended.stdout);
    });
    join_all(cases).await;
}

#[tokio::test]
async fn invalid_first_response_prevents_the_deletion() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    for (name, kind) in unproven_responses(&tunnel.id).into_iter().take(8) {
        scene.set_faults([(LIST, 0, None, kind)]);
        let ended = scene.delete(&tunnel, &["--yes"]).await;
        assert_exit(name, &ended, 1, &["main in ap-guangzhou: http://", ": malformed response: a query "]);
    }
    assert_eq!(scene.deletions(), 0);
}

/// A fault: the action, the number of requests to skip, the number of affected requests, and the kind.
type Faults = Vec<(&'static str, usize, Option<usize>, FaultKind)>;

struct Case {
    name: &'static str,
    faults: Faults,
    /// The duration of the deletion.
    deletion: Duration,
    /// All requests until the deletion is known to have arrived.
    requests: &'static [&'static str],
    status: i32,
    message: &'static str,
}

const SENT_ONCE: &[&str] = &[LIST, DELETE, LIST];
const SENT_TWICE: &[&str] = &[LIST, DELETE, LIST, DELETE];
const SENT_THRICE: &[&str] = &[LIST, DELETE, LIST, DELETE, LIST, DELETE, LIST];

fn lost(name: &'static str, kind: FaultKind) -> Case {
    let faults = vec![(DELETE, 0, Some(1), kind)];
    Case { name, faults, deletion: HOUR, requests: SENT_TWICE, status: 0, message: DOUBT }
}

fn arrived(name: &'static str, kind: FaultKind) -> Case {
    Case { requests: SENT_ONCE, ..lost(name, kind) }
}

fn cases() -> Vec<Case> {
    let error = |code: &str| FaultKind::Error { code: code.to_owned() };
    let bad_gateway = || FaultKind::Status { status: 502, retry_after: None };
    let html = || FaultKind::Body { content_type: "text/html".to_owned(), text: "<html>".to_owned() };
    let shown_untouched = FaultKind::Replace {
        pointer: "/Response/VpnConnectionSet/0/State".to_owned(),
        value: json!("AVAILABLE"),
    };
    let unauthorized = error("UnauthorizedOperation");
    vec![
        lost("a reset", FaultKind::Reset),
        lost("a stall", FaultKind::StallHeaders),
        lost("a status", bad_gateway()),
        lost("a strange answer", html()),
        lost("an internal error", error("InternalError")),
        arrived("an answer that breaks off", FaultKind::Truncate),
        arrived("an answer that stalls", FaultKind::StallBody),
        Case { deletion: Duration::ZERO, ..arrived("a deletion that is over at once", FaultKind::Truncate) },
        Case {
            // The second request is refused because the first one has arrived.
            faults: vec![(DELETE, 0, Some(1), FaultKind::Truncate), (LIST, 1, Some(1), shown_untouched)],
            requests: &[LIST, DELETE, LIST, DELETE, LIST],
            ..lost("a listing that lags behind", FaultKind::Reset)
        },
        Case {
            faults: vec![(DELETE, 0, None, bad_gateway())],
            requests: SENT_THRICE,
            status: 1,
            message: UNKNOWN,
            ..lost("a gateway that stays bad", FaultKind::Reset)
        },
        Case {
            faults: vec![(DELETE, 0, Some(1), FaultKind::Reset), (LIST, 1, None, unauthorized)],
            requests: SENT_ONCE,
            status: 1,
            message: UNKNOWN,
            ..lost("a query that is refused", FaultKind::Reset)
        },
    ]
}

#[tokio::test]
async fn query_precedes_every_further_request() {
    let cases = cases().into_iter().map(|case| async move {
        let options = Options { deletion: case.deletion, ..frozen(&[(GUANGZHOU, 1)]) };
        let scene = Scene::of(options).await;
        scene.set_faults(case.faults);
        let ended = scene.delete(&scene.tunnel(0), &["--yes", "--no-wait"]).await;
        assert_exit(case.name, &ended, case.status, &[DOUBT, case.message]);
        assert_eq!(scene.requests(), case.requests, "{}: {}", case.name, ended.stderr);
        let accepted = ended.stdout.contains("accepted the deletion");
        assert_eq!(accepted, case.status == 0, "{}: {}", case.name, ended.stdout);
    });
    join_all(cases).await;
}
