//! The log: its lines, its fields, and the secrets that it must not have.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::PRE_SHARE_KEY_MARK;
use test_support::{
    Api, Metrics,
    binary::{Finished, Process, WorkDir},
    frozen,
    relay::{Certificate, Relay},
};

const GUANGZHOU: &str = "ap-guangzhou";
const FRANKFURT: &str = "eu-frankfurt";
const FORMATS: [&str; 2] = ["logfmt", "json"];

/// Names of tunnels that try to forge lines and fields, or to control a terminal.
const HOSTILE: [&str; 8] = [
    "a\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged",
    "a\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}",
    "a\" level=ERROR msg=\"forged",
    "a\\\" level=ERROR msg=\\\"forged\\",
    "\u{1b}[2J\u{1b}[31mforged\u{1b}]0;forged\u{7}\u{9b}31m\u{0}\u{7f}",
    "a\u{2028}level=ERROR\u{2029}msg=forged\u{85}",
    "a\u{202e}degrof\u{202c}\u{2066}forged\u{2069}",
    "level=ERROR",
];

/// The fields of a line; fails if the line is malformed.
fn fields(format: &str, line: &str) -> BTreeMap<String, String> {
    let fields = if format == "json" { json_fields(line) } else { logfmt_fields(line) };
    fields.unwrap_or_else(|problem| panic!("{problem} in {line:?}"))
}

fn json_fields(line: &str) -> Result<BTreeMap<String, String>, String> {
    let object: BTreeMap<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(object.into_iter().map(|(key, value)| (key, text(value))).collect())
}

/// Reads logfmt like the parsers of Prometheus' and Grafana's tools: values are bare, or quoted with the escapes of JSON.
fn logfmt_fields(line: &str) -> Result<BTreeMap<String, String>, String> {
    if line.contains(char::is_control) {
        return Err("a control character".into());
    }
    let mut fields = BTreeMap::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or("a key without a value")?;
        if key.is_empty() || key.contains([' ', '"', '\\']) {
            return Err(format!("{key:?} as a key"));
        }
        let (value, tail) = if tail.starts_with('"') { quoted(tail)? } else { unquoted(tail)? };
        if fields.insert(key.to_owned(), value).is_some() {
            return Err(format!("{key} twice"));
        }
        rest = match tail.strip_prefix(' ') {
            Some(tail) if !tail.is_empty() => tail,
            None if tail.is_empty() => tail,
            _ => return Err(format!("{tail:?} after the value of {key}")),
        };
    }
    Ok(fields)
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next().ok_or("no value")?.map_err(|error| format!("a bad value ({error})"))?;
    Ok((value, &text[values.byte_offset()..]))
}

fn unquoted(text: &str) -> Result<(String, &str), String> {
    let (value, tail) = text.split_at(text.find(' ').unwrap_or(text.len()));
    if value.contains(['=', '"']) { Err(format!("{value:?} unquoted")) } else { Ok((value.to_owned(), tail)) }
}

/// The lines of a log that have all of these fields.
fn with(format: &str, log: &str, expected: &[(&str, &str)]) -> Vec<BTreeMap<String, String>> {
    let lines = log.lines().map(|line| fields(format, line));
    let fits = |line: &BTreeMap<String, String>| {
        expected.iter().all(|(key, value)| line.get(*key).is_some_and(|own| own.eq_ignore_ascii_case(value)))
    };
    lines.filter(fits).collect()
}

/// Waits for a number of further polls, so that repeated lines would be in the log.
async fn wait_for_polls(daemon: &Process, polls: f64) -> Metrics {
    let before = daemon.scrape().await.sum("polls_total", &[]);
    daemon.until(|metrics| metrics.sum("polls_total", &[]) >= before + polls).await
}

async fn stop(daemon: Process) -> Finished {
    daemon.signal("TERM").await;
    let finished = daemon.wait().await;
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    finished
}

#[tokio::test]
async fn first_listing_is_one_line() {
    for format in FORMATS {
        let api = Api::start(frozen(&[(GUANGZHOU, 40), (FRANKFURT, 0)])).await;
        let place = GUANGZHOU;
        let ids = api.control.ids(place).expect("the region");
        let changes =
            [("NetStatus", json!("UNAVAILABLE")), ("State", json!("PENDING")), ("NetStatus", json!("NEW"))];
        for (id, (field, value)) in ids.iter().zip(changes) {
            api.control.set(place, id, "NegotiationType", "active").expect("the tunnel");
            api.control.set(place, id, field, value).expect("the tunnel");
        }
        let files = WorkDir::with(api.config(&[GUANGZHOU, FRANKFURT]));
        let daemon = files.daemon(&["--log.format", format]).await;
        daemon.until(|metrics| metrics.sum("tunnels", &[]) == 40.0).await;
        wait_for_polls(&daemon, 6.0).await;
        let log = stop(daemon).await.stderr;
        let summary = [("level", "info"), ("msg", "first listing"), ("account", "main")];
        let first = with(format, &log, &summary);
        assert_eq!(first.len(), 2, "{log}");
        let numbers = |region: &str| {
            let line = first.iter().find(|line| line["region"] == region).expect("its line");
            ["tunnels", "up", "down", "idle", "pending", "deleting", "unknown"]
                .map(|number| line[number].clone())
        };
        assert_eq!(numbers(GUANGZHOU), ["40", "37", "1", "0", "1", "0", "1"]);
        assert_eq!(numbers(FRANKFURT), ["0"; 7]);
        assert!(!log.contains("vpnx-"), "no line of a single tunnel: {log}");
    }
}

#[tokio::test]
async fn change_of_status_is_one_line() {
    for format in FORMATS {
        let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
        let place = GUANGZHOU;
        let ids = api.control.ids(place).expect("the region");
        api.control.set(place, &ids[1], "NegotiationType", "active").expect("the tunnel");
        let row = api.control.rows(place).expect("the region").remove(1);
        let files = WorkDir::with(api.config(&[GUANGZHOU]));
        let daemon = files.daemon(&["--log.format", format]).await;
        daemon.until(|metrics| metrics.sum("tunnels", &[]) == 3.0).await;
        api.control.set(place, &ids[1], "NetStatus", "UNAVAILABLE").expect("the tunnel");
        daemon.until(|metrics| metrics.sum("tunnel_up", &[]) == 2.0).await;
        api.control.set(place, &ids[1], "VpnConnectionName", "renamed").expect("the tunnel");
        api.control.remove(place, &ids[2]).expect("the tunnel");
        let added = api.control.add(place).expect("the region");
        daemon.until(|metrics| metrics.count("tunnel_up", &[("vpn_connection_id", &added)]) == 1).await;
        wait_for_polls(&daemon, 3.0).await;
        let log = stop(daemon).await.stderr;

        let lines = with(format, &log, &[("level", "info"), ("vpn_connection_id", &ids[1])]);
        assert_eq!(lines.len(), 1, "{log}");
        let text = |field: &str| row[field].as_str().expect("a text");
        let expected = [
            ("msg", "tunnel changed"),
            ("change", "up -> down"),
            ("state", "AVAILABLE"),
            ("net_status", "UNAVAILABLE"),
            ("account", "main"),
            ("region", GUANGZHOU),
            ("vpn_gateway_id", text("VpnGatewayId")),
            ("name", text("VpnConnectionName")),
        ];
        for (key, value) in expected {
            assert_eq!(lines[0][key], value);
        }
        let came = [("msg", "tunnel appeared"), ("vpn_connection_id", added.as_str()), ("status", "up")];
        let went = [("msg", "tunnel disappeared"), ("vpn_connection_id", ids[2].as_str()), ("status", "up")];
        assert_eq!([came, went].map(|line| with(format, &log, &line).len()), [1, 1], "{log}");
    }
}

#[tokio::test]
async fn tunnel_name_forges_no_line_or_field() {
    for format in FORMATS {
        let api = Api::start(frozen(&[(GUANGZHOU, HOSTILE.len())])).await;
        let place = GUANGZHOU;
        let ids = api.control.ids(place).expect("the region");
        for (id, text) in ids.iter().zip(HOSTILE) {
            api.control.set(place, id, "VpnConnectionName", text).expect("the tunnel");
            api.control.set(place, id, "VpnGatewayId", text).expect("the tunnel");
        }
        let files = WorkDir::with(api.config(&[GUANGZHOU]));
        let daemon = files.daemon(&["--log.format", format]).await;
        daemon.until(|metrics| metrics.sum("tunnels", &[]) == HOSTILE.len() as f64).await;
        for id in &ids {
            api.control.set(place, id, "State", "DELETING").expect("the tunnel");
        }
        daemon.stderr.lines(&["tunnel changed"], HOSTILE.len()).await;
        let log = stop(daemon).await.stderr;
        let changed = [("level", "info"), ("msg", "tunnel changed"), ("change", "up -> deleting")];
        let lines = with(format, &log, &changed);
        // Control characters are replaced, because terminals interpret them.
        let visible =
            |text: &str| text.replace(|c: char| c.is_control() && !"\t\r\n".contains(c), "\u{fffd}");
        for text in HOSTILE {
            let named = lines.iter().filter(|line| line["name"] == visible(text));
            assert_eq!(named.count(), 1, "{text:?} in {log}");
        }
        assert_eq!(with(format, &log, &[("level", "error")]), [], "{log}");
        assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log:?}");
        let turned_or_split = log.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}']);
        assert!(format == "json" || !turned_or_split, "{log:?}");
    }
}

#[tokio::test]
async fn failure_and_recovery_are_logged_once() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let key = api.control.credentials().secret_key.clone();
    let config = api.config_with_poll(&[GUANGZHOU], "interval: 100ms, timeout: 10s, stale_after: 300ms");
    let files = WorkDir::with(config.replace(&format!("secret_key: '{key}'"), "secret_key_file: key"));
    files.write("key", &key);
    let daemon = files.daemon(&[]).await;
    daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    files.write("key", "wrong");
    daemon.until(|metrics| metrics.value("up", &[]) == Some(0.0)).await;
    wait_for_polls(&daemon, 2.0).await;
    daemon.until(|metrics| metrics.count("tunnel_up", &[]) == 0).await;
    files.write("key", &key);
    daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    wait_for_polls(&daemon, 3.0).await;
    let log = stop(daemon).await.stderr;

    let target = [("account", "main"), ("region", GUANGZHOU)];
    let failed = "poll failed; the last good tunnels stay until they are stale";
    let stale = "tunnels are stale and no longer published";
    for (level, message) in [("warn", failed), ("warn", stale), ("info", "polls succeed again")] {
        let lines = with("logfmt", &log, &[("level", level), ("msg", message), target[0], target[1]]);
        assert_eq!(lines.len(), 1, "{message} in {log}");
    }
    let line = with("logfmt", &log, &[("msg", failed)]).remove(0);
    assert_eq!(line["reason"], "auth");
    assert!(line["error"].contains("AuthFailure") && line["error"].ends_with("credentials"), "{line:?}");
    assert_eq!(log.matches("AuthFailure").count(), 1, "{log}");
}

#[tokio::test]
async fn untrusted_certificate_is_logged_by_exporter_only() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let relay = Relay::start(api.address);
    relay.use_certificate(&Certificate::new());
    let config = api
        .config_with_poll(&[GUANGZHOU], "interval: 250ms, timeout: 2s, stale_after: 1h")
        .replace(&format!("http://{}", api.address), &format!("https://{}", relay.address));
    let files = WorkDir::with(config);
    for format in FORMATS {
        let daemon = files.daemon(&["--log.format", format]).await;
        daemon.until(|metrics| metrics.sum("poll_failures_total", &[("reason", "connection")]) >= 2.0).await;
        let log = stop(daemon).await.stderr;
        let lines = with(format, &log, &[("reason", "connection")]);
        assert_eq!(lines.len(), 1, "{log}");
        assert_eq!(with(format, &log, &[("level", "error")]), [], "{log}");
        for line in log.lines().map(|line| fields(format, line)) {
            assert!(!line.keys().any(|key| key.starts_with("log.")), "{line:?}");
        }
    }
}

#[tokio::test]
async fn rows_without_an_id_are_logged_once() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let ids = api.control.ids(GUANGZHOU).expect("the region");
    api.control.omit(GUANGZHOU, &ids[0], "VpnConnectionId").expect("the tunnel");
    let files = WorkDir::with(api.config(&[GUANGZHOU]));
    let daemon = files.daemon(&[]).await;
    daemon.until(|metrics| metrics.tunnels(&[]) == Some(1.0)).await;
    wait_for_polls(&daemon, 4.0).await;
    let log = stop(daemon).await.stderr;
    let message = "rows without a usable id are skipped; a tunnel that may be such a row is shown as UNKNOWN";
    let line = [("level", "warn"), ("msg", message), ("account", "main"), ("region", GUANGZHOU)];
    assert_eq!(with("logfmt", &log, &line).len(), 1, "{log}");
}

#[tokio::test]
async fn every_line_parses_and_has_no_secret() {
    for (format, level) in FORMATS.into_iter().zip(["trace", "trace,tencentcloud_vpn_exporter=trace"]) {
        let api = Api::start(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)])).await;
        let place = GUANGZHOU;
        let files = WorkDir::with(api.config(&[GUANGZHOU, "ap-nowhere"]));
        let daemon = files.daemon(&["--log.format", format, "--log.level", level]).await;
        daemon.until(|metrics| metrics.sum("tunnels", &[]) == 3.0).await;
        let id = api.control.ids(place).expect("the region").remove(0);
        api.control.set(place, &id, "NetStatus", "UNAVAILABLE").expect("the tunnel");
        daemon.stderr.line(&["tunnel changed"]).await;
        files.write("config.yml", "accounts: [{name: \"\"}]");
        daemon.signal("HUP").await;
        daemon.stderr.line(&["configuration not reloaded"]).await;
        files.write("config.yml", api.config(&[GUANGZHOU, FRANKFURT]));
        daemon.signal("HUP").await;
        daemon.until(|metrics| metrics.sum("tunnels", &[]) == 5.0).await;
        let log = stop(daemon).await.stderr;

        for line in log.lines().map(|line| fields(format, line)) {
            let time = &line["time"];
            assert!(time.ends_with('Z') && time.contains('T'), "{time}");
            assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&&*line["level"]));
            assert!(line.contains_key("msg"), "{line:?}");
            assert!(!line.keys().any(|key| key.starts_with("log.")), "{line:?}");
        }
        let key = &api.control.credentials().secret_key;
        for secret in [key.as_str(), PRE_SHARE_KEY_MARK, "PreShareKey"] {
            assert!(!log.contains(secret), "{secret} with {level}");
        }
    }
}
