//! The text of the status page.

mod gateways;

use tencentcloud_vpn_exporter::{
    domain::{
        reason::Reason,
        status::{HealthCheckStatus, TunnelState},
        tunnel::Tunnel,
    },
    snapshot::Snapshot,
    web::{status_page::StatusPage, telemetry_path::TelemetryPath},
};
use test_support::worlds::{
    DAY, HOUR, MINUTE, ago, checked, constant_tunnels, down, empty, failing, html, idle, many,
    mixed_snapshot, snapshot, status_page, target, tunnel, unknown, with_failed_discovery,
};

/// The text of some HTML, in one line.
fn text(html: &str) -> String {
    let visible = |name: &str, html: String| match html.split_once(&format!("<{name}>")) {
        Some((before, rest)) => format!("{before}{}", rest.split_once(&format!("</{name}>")).unwrap().1),
        None => html,
    };
    let html = visible("script", visible("style", html.to_owned()));
    let mut text = String::new();
    for piece in html.split('<') {
        text.push(' ');
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    let entities = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    let text = entities.iter().fold(text, |text, (entity, sign)| text.replace(entity, sign));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A part of the page, from its opening tag to its closing one.
fn part<'a>(html: &'a str, opening: &str, closing: &str) -> &'a str {
    let (_, rest) = html.split_once(opening).unwrap_or_else(|| panic!("no {opening} in the page"));
    rest.split_once(closing).unwrap_or_else(|| panic!("no {closing} after {opening}")).0
}

/// The texts of the rows of a kind of table, headings of groups among them.
fn rows(html: &str, table: &str) -> Vec<String> {
    let opening = format!("<table class=\"{table}");
    let tables = html.split(&opening).skip(1);
    let bodies =
        tables.map(|table| table.split("</table>").next().unwrap().split_once("</thead>").unwrap().1);
    bodies.flat_map(|body| body.split("<tr").skip(1).map(|row| text(&format!("<tr{row}")))).collect()
}

fn tunnel_rows(snapshot: &Snapshot, query: &str) -> Vec<String> {
    rows(&html(snapshot, query), "tunnels")
}

/// The names, or ids where there is no name, in the order of the page.
fn names(snapshot: &Snapshot, query: &str) -> Vec<String> {
    let html = html(snapshot, query);
    let rows = html.split("<th scope=\"row\">").skip(1).filter(|row| row.contains("<code>"));
    rows.map(|row| text(row.split("<code>").next().unwrap())).collect()
}

fn headline(snapshot: &Snapshot) -> String {
    headline_of(&html(snapshot, ""))
}

fn headline_of(html: &str) -> String {
    text(part(html, "<h1 id=\"headline\" data-part aria-live=\"polite\">", "</h1>"))
}

fn one_target(tunnels: impl IntoIterator<Item = Tunnel>) -> Snapshot {
    snapshot([target("production", "ap-guangzhou").with_listing(12, tunnels)])
}

#[track_caller]
fn assert_row(snapshot: &Snapshot, expected: &str) {
    let rows = tunnel_rows(snapshot, "");
    assert!(rows.iter().any(|row| row.contains(expected)), "{expected:?} is in none of {rows:#?}");
}

#[test]
fn tunnels_are_grouped_with_the_worst_first() {
    let world = one_target([
        idle("vpnx-1", "waiting"),
        tunnel("vpnx-2", "fine"),
        unknown("vpnx-3", "odd"),
        down("vpnx-4", "broken"),
        Tunnel { state: TunnelState::Deleting, ..down("vpnx-5", "old") },
        Tunnel { state: TunnelState::Pending, ..down("vpnx-6", "new") },
    ]);
    assert_eq!(names(&world, ""), ["broken", "odd", "new", "old", "waiting", "fine"]);
    let rows = tunnel_rows(&world, "");
    let headings: Vec<_> = rows.iter().step_by(2).map(String::as_str).collect();
    let expected = [
        "▼ Down 1",
        "◆ Unknown 1 a status is missing or not known to the exporter",
        "△ Pending 1 being created",
        "□ Deleting 1 being deleted",
        "○ Idle 1 not connected because there is no traffic; not counted as down",
        "▲ Up 1",
    ];
    assert_eq!(headings, expected);
}

#[test]
fn latest_change_comes_first_within_a_status() {
    let all = ["vpnx-1", "vpnx-2", "vpnx-3"];
    let up = |id: &str| tunnel(id, id);
    let world = target("production", "ap-guangzhou")
        .with_listing(HOUR, all.map(up))
        .with_listing(30 * MINUTE, [up("vpnx-1"), up("vpnx-2"), down("vpnx-3", "vpnx-3")])
        .with_listing(20 * MINUTE, [up("vpnx-1"), down("vpnx-2", "vpnx-2"), down("vpnx-3", "vpnx-3")]);
    assert_eq!(names(&snapshot([world.clone()]), ""), ["vpnx-2", "vpnx-3", "vpnx-1"]);
    let world = world.with_listing(MINUTE, all.map(up));
    assert_eq!(names(&snapshot([world]), ""), ["vpnx-2", "vpnx-3", "vpnx-1"], "equal times are sorted by id");
}

#[test]
fn row_shows_everything_of_a_tunnel() {
    assert_row(
        &mixed_snapshot(),
        "▼ Down office-berlin-primary vpnx-f49l6u0z production ap-guangzhou vpngw-6x0wxvtp \
         AVAILABLE UNAVAILABLE UNAVAILABLE 9 min ago 22:04:20 UTC 3",
    );
    assert_row(
        &mixed_snapshot(),
        "△ Pending partner-nantes (new) vpnx-1u4j9i6g production eu-frankfurt vpngw-6x0wxvtp PENDING",
    );
    assert_row(&mixed_snapshot(), "AVAILABLE UNAVAILABLE not configured");
}

#[test]
fn unchanged_state_has_lasted_since_the_start() {
    assert_row(&one_target([tunnel("vpnx-1", "")]), "at least since the exporter’s start 0");
    assert_row(&one_target([down("vpnx-1", "")]), "at least since the exporter’s start 0");
    let made = Tunnel { created: Some(ago(2 * HOUR).as_second()), ..tunnel("vpnx-1", "") };
    assert_row(&one_target([made]), "at least since it was created, 2 h ago 0");
    let made_in_future = Tunnel { created: Some(ago(-HOUR).as_second()), ..tunnel("vpnx-1", "") };
    assert_row(&one_target([made_in_future]), "at least since the exporter’s start 0");
}

#[test]
fn unknown_tunnel_has_no_known_start() {
    let before = target("production", "ap-guangzhou")
        .with_listing(2 * DAY, [down("vpnx-1", "")])
        .with_listing(DAY, [tunnel("vpnx-1", "")]);
    let world = before.with_listing(MINUTE, [unknown("vpnx-1", "")]);
    assert_row(&snapshot([world]), "not known; last change seen 1 d ago 1");
    assert_row(&one_target([unknown("vpnx-1", "")]), "not known 0");
}

#[test]
fn status_lasts_through_other_changes() {
    let (good, bad) = (HealthCheckStatus::Available, HealthCheckStatus::Unavailable);
    let world = target("production", "ap-guangzhou")
        .with_listing(5 * HOUR, [checked(good, tunnel("vpnx-1", ""))])
        .with_listing(3 * HOUR, [checked(bad, tunnel("vpnx-1", ""))])
        .with_listing(2 * HOUR, [checked(bad, down("vpnx-1", ""))])
        .with_listing(HOUR, [checked(good, down("vpnx-1", ""))]);
    assert_row(&snapshot([world.clone()]), "3 h ago 19:13:20 UTC 1");
    let seen_again =
        world.with_listing(50 * MINUTE, [unknown("vpnx-1", "")]).with_listing(MINUTE, [down("vpnx-1", "")]);
    assert_row(&snapshot([seen_again]), "3 h ago 19:13:20 UTC 1");
}

#[test]
fn time_of_another_day_has_its_date() {
    let world = target("a", "eu-frankfurt")
        .with_listing(2 * DAY, [down("vpnx-1", "")])
        .with_listing(DAY, [tunnel("vpnx-1", "")]);
    assert_row(&snapshot([world]), "1 d ago 2023-11-13 22:13:20 UTC");
}

#[test]
fn headline_names_the_worst_first() {
    let pending = |id| Tunnel { state: TunnelState::Pending, ..down(id, "") };
    let table = [
        (snapshot([]), "◆ No targets yet: no tunnel is polled"),
        (empty(), "◆ Waiting for the first polls"),
        (mixed_snapshot(), "▼ 2 tunnels down, 1 unknown"),
        (failing(), "▼ 1 tunnel down, polls fail for 3 of 4 targets"),
        (one_target([]), "▲ No tunnels"),
        (one_target([tunnel("vpnx-1", "")]), "▲ 1 tunnel up"),
        (one_target([idle("vpnx-1", "")]), "▲ 1 tunnel idle"),
        (one_target([tunnel("vpnx-1", ""), idle("vpnx-2", "")]), "▲ 1 tunnel up, 1 idle"),
        (one_target([idle("vpnx-1", ""), pending("vpnx-2")]), "▲ 1 tunnel idle, 1 pending"),
        (one_target([pending("vpnx-1"), pending("vpnx-2")]), "▲ 2 tunnels pending"),
        (one_target([tunnel("vpnx-1", ""), unknown("vpnx-2", "")]), "◆ 1 tunnel unknown"),
        (constant_tunnels(0), "▲ All 10,000 tunnels up"),
    ];
    for (world, words) in table {
        assert_eq!(headline(&world), words);
    }
    let waiting = target("staging", "na-ashburn");
    let clear = target("production", "ap-guangzhou").with_listing(12, [tunnel("vpnx-1", "")]);
    assert_eq!(headline(&snapshot([waiting, clear])), "◆ 1 target not polled yet");
}

#[test]
fn summary_counts_each_status() {
    let counts = text(part(&html(&mixed_snapshot(), ""), "<ul class=\"tiles\">", "</ul>"));
    assert_eq!(
        counts,
        "2 ▼ Down 1 ◆ Unknown 1 △ Pending 1 □ Deleting 2 ○ Idle 8 ▲ Up 0 of 3 ✕ Targets failing"
    );
    let counts = text(part(&html(&empty(), ""), "<ul class=\"tiles\">", "</ul>"));
    assert_eq!(
        counts,
        "– ▼ Down – ◆ Unknown – △ Pending – □ Deleting – ○ Idle – ▲ Up 0 of 3 ✕ Targets failing"
    );
}

#[test]
fn account_without_known_regions_is_not_seen() {
    let broken = [("broken", 0)];
    let alone = html(&with_failed_discovery(Snapshot::default(), &broken), "");
    assert_eq!(headline_of(&alone), "▼ 1 account without known regions");
    let words = "broken / all regions : the credentials are refused; no region is known, so no tunnel of this account is polled";
    assert!(text(&alone).contains(words), "{}", text(&alone));
    let beside = html(&with_failed_discovery(one_target([tunnel("vpnx-1", "fine")]), &broken), "");
    assert_eq!(headline_of(&beside), "▼ 1 account without known regions");
}

#[test]
fn known_regions_survive_a_failed_discovery() {
    let html = html(&with_failed_discovery(one_target([tunnel("vpnx-1", "fine")]), &[("production", 3)]), "");
    assert_eq!(headline_of(&html), "▲ 1 tunnel up");
    assert!(
        text(&html).contains("the credentials are refused; the 3 regions of the last discovery are kept")
    );
}

#[test]
fn failing_targets_are_named_before_all_numbers() {
    let html = html(&failing(), "");
    let warning = text(part(&html, "<div class=\"warning\">", "</div>"));
    assert_eq!(
        warning,
        "✕ Polls fail for 3 of 4 targets. The present status of their tunnels is not known. \
         production / eu-frankfurt : no response in time; not seen since 22:09:20 UTC ( 4 min ago ); \
         its 2 tunnels are shown with their last known status \
         staging / ap-singapore : the credentials are refused; not seen since 2023-11-13 22:13:20 UTC ( 1 d ago ); \
         its 12 tunnels are hidden, because their status is too old \
         staging / na-ashburn : no connection; no poll has succeeded yet; its tunnels are not known"
    );
    assert!(html.find("class=\"warning\"") < html.find("class=\"tiles\""));
    assert!(!self::html(&mixed_snapshot(), "").contains("class=\"warning\""));
}

#[test]
fn warning_names_five_targets_and_counts_others() {
    let regions = ["a", "b", "c", "d", "e", "f", "g"];
    let world =
        snapshot(regions.map(|region| target("x", region).with_failure(1, Reason::Timeout, "no answer")));
    let html = html(&world, "");
    let warning = part(&html, "<div class=\"warning\">", "</div>");
    assert_eq!(warning.matches("<li>").count(), 6);
    assert!(text(warning).ends_with("and 2 more, first in the table of targets"));
}

#[test]
fn failing_target_shows_its_last_known_tunnels() {
    assert_row(&failing(), "▼ Down not seen since 22:09:20 UTC partner-nantes");
    assert_eq!(names(&failing(), "q=staging").len(), 0, "stale tunnels are hidden");
}

#[test]
fn failing_targets_come_first_with_their_errors() {
    let rows = rows(&html(&failing(), ""), "targets");
    assert_eq!(
        rows,
        [
            "✕ Failing production eu-frankfurt 40 s ago last success 4 min ago in 20 s 45.0 s 2 1 of 2 \
             no response in time no answer within 10s",
            "✕ Failing staging ap-singapore 20 s ago last success 1 d ago in 40 s 45.0 s 12 hidden, too old 1 of 2 \
             the credentials are refused AuthFailure.SecretIdNotFound: The SecretId is not found, please ensure \
             that your SecretId is correct. (request 5f5d5d0c-1a3b-4d8e-9f1a-2b6c7d8e9f0a)",
            "✕ Failing staging na-ashburn 31 s ago none has succeeded in 29 s 45.0 s – 1 of 1 no connection connection refused",
            "● Working production ap-guangzhou 12 s ago in 48 s 142 ms 8 0 of 1 none",
        ]
    );
}

#[test]
fn due_poll_is_due_now() {
    let world = target("a", "eu-frankfurt").with_listing(5 * MINUTE, []);
    let rows = rows(&html(&snapshot([world]), ""), "targets");
    assert!(rows[0].contains("5 min ago now 142 ms"), "{rows:?}");
}

#[test]
fn targets_without_a_poll_are_waiting() {
    let rows = rows(&html(&empty(), ""), "targets");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0], "◌ Waiting production ap-guangzhou none yet – – – 0 of 0 none");
}

#[test]
fn failing_targets_are_never_folded() {
    let region = |n: usize| format!("r-{n:03}");
    let world = snapshot((0..400).map(|n| match n % 40 {
        0 => target("x", &region(n)).with_failure(1, Reason::Timeout, "no answer"),
        _ => target("x", &region(n)).with_listing(1, []),
    }));
    let html = html(&world, "");
    let (shown, folded) = html.split_once("<details").expect("something unfolds");
    let shown = rows(shown, "targets");
    assert!(shown.iter().all(|row| row.starts_with("✕ Failing")) && shown.len() == 10, "{shown:#?}");
    assert_eq!(rows(folded, "targets").len(), 290);
    assert!(text(folded).contains("100 more targets are not shown"));
}

#[test]
fn search_finds_every_word_of_a_row() {
    let table = [
        ("q=berlin", 2),
        ("q=BERLIN+primary", 1),
        ("q=primary+frankfurt", 0),
        ("q=VPNX-F49L6U0Z", 1),
        ("q=staging", 4),
        ("q=eu-frankfurt", 5),
        ("q=vpngw-6x0wxvtp", 15),
        ("q=S%C3%83O", 1),
        ("q=berlin+berlin", 2),
        ("q=198.51.100.9", 0),
        // The end of one text and the beginning of the next.
        ("q=productionap", 0),
        ("q=", 15),
        ("q=%20%20", 15),
    ];
    for (query, count) in table {
        assert_eq!(names(&mixed_snapshot(), query).len(), count, "{query}");
    }
    assert!(text(&html(&mixed_snapshot(), "q=nowhere")).contains("No tunnel matches."));
}

#[test]
fn one_status_can_be_shown_alone() {
    assert_eq!(names(&mixed_snapshot(), "show=idle"), ["on-demand-audit", "no name"]);
    assert_eq!(names(&mixed_snapshot(), "show=down&q=berlin"), ["office-berlin-primary"]);
    let html = html(&mixed_snapshot(), "show=down&q=berlin");
    assert_eq!(
        text(part(&html, "<div class=\"heading\">", "</div>")),
        "Tunnels 1 of 15 tunnels, down only, found by “ berlin ” · Show all"
    );
    assert!(html.contains("href=\"?q=berlin&#38;show=up\""), "the other statuses keep the search");
    assert!(
        html.contains("<input type=\"hidden\" name=\"show\" value=\"down\">"),
        "the search keeps the status"
    );
}

#[test]
fn ten_thousand_tunnels_are_paged() {
    let world = many();
    let first = html(&world, "");
    assert!(first.len() < 250_000, "a page has {} bytes", first.len());
    assert_eq!(names(&world, "").len(), 200);
    let rows = rows(&first, "tunnels");
    assert!(rows[0].starts_with("▼ Down 100"), "a group counts all its tunnels: {}", rows[0]);
    assert!(text(&first).contains("10,000 tunnels, 1 to 200 on this page"));
    assert!(text(&first).contains("Page 1 of 50 Next →"));
    assert!(first.contains("rel=\"next\" href=\"?page=2\"") && !first.contains("rel=\"prev\""));
    let last = html(&world, "page=50");
    assert!(last.contains("rel=\"prev\" href=\"?page=49\"") && !last.contains("rel=\"next\""));
    assert!(text(&last).contains("▲ Up 9,"), "{}", text(&last));
    assert_eq!(html(&world, "page=51"), last, "pages after the last one are empty");
    assert_eq!(html(&world, "page=0"), first);
    assert!(!html(&world, "q=beijing-00").contains("<nav"), "a single page has no page links");
}

#[test]
fn every_tunnel_is_on_exactly_one_page() {
    let world = many();
    let mut all: Vec<_> = (1..=50).flat_map(|page| names(&world, &format!("page={page}"))).collect();
    all.sort_unstable();
    assert_eq!(all.len(), 10_000);
    // Both accounts name theirs alike.
    all.dedup();
    assert_eq!(all.len(), 5_000);
}

#[test]
fn texts_from_the_api_are_escaped_and_visible() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{7}\u{202e}\r\n";
    let world = snapshot([target("</script><script>alert(1)</script>", "eu-frankfurt")
        .with_listing(
            9,
            [Tunnel {
                vpn_gateway_id: hostile.into(),
                ..checked(
                    HealthCheckStatus::Available,
                    tunnel(&hostile.replace(char::is_control, ""), hostile),
                )
            }],
        )
        .with_failure(1, Reason::Refused, hostile)]);
    let html = html(&world, "q=%3Cscript%3E+%22");
    assert_eq!(html.matches("<script>").count(), 1, "the page's own");
    assert!(!html.contains("<img") && !html.contains("alert(1)</script>"));
    assert!(html.contains("value=\"&#60;script&#62; &#34;\""), "the search box keeps the query");
    assert!(html.contains("<bdi>&#60;/script&#62;&#60;script&#62;alert(1)"), "the name is shown as text");
    assert!(!html.contains(['\u{7}', '\u{202e}', '\r']));
    assert!(text(&html).contains(r#""'&\u{7}\u{202e}\r\n"#), "invisible characters are escaped");
}

#[test]
fn only_the_search_of_a_query_is_repeated() {
    let html = html(&mixed_snapshot(), "zebra1=zebra2&show=zebra3&page=zebra4&zebra5");
    assert!(!html.contains("zebra"));
}

#[test]
fn policy_allows_only_own_style_and_script() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha256};

    let page = status_page().render(&mixed_snapshot(), "", ago(0));
    let policy = page.content_security_policy.to_str().expect("text");
    let html = html(&mixed_snapshot(), "");
    let hash = |opening, closing| STANDARD.encode(Sha256::digest(part(&html, opening, closing)));
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hash("<style>", "</style>"),
        hash("<script>", "</script>")
    );
    assert_eq!(policy, expected);
    let markup = html.replace(part(&html, "<style>", "</style>"), "");
    for forbidden in [" style=", " onclick=", " src=", "http-equiv", "javascript:", "https:"] {
        assert!(!markup.contains(forbidden), "{forbidden} is in the page");
    }
}

#[test]
fn page_links_metrics_health_and_readiness() {
    let page = StatusPage::new(TelemetryPath::new("/other/metrics").expect("a path"), ago(DAY));
    let page = page.render(&mixed_snapshot(), "", ago(0));
    let html = str::from_utf8(&page.html).expect("UTF-8");
    for link in ["other/metrics", "-/healthy", "-/ready"] {
        assert!(html.contains(&format!("href=\"{link}\"")), "{link}");
    }
}

#[tokio::test]
async fn daemon_serves_the_page() {
    let api = test_support::Api::start(test_support::frozen(&[("eu-frankfurt", 3)])).await;
    let daemon = test_support::Daemon::start(&api.config(&["eu-frankfurt"])).await;
    daemon.until(|metrics| metrics.count("tunnel_up", &[]) == 3).await;
    let answer = test_support::client().get(daemon.url("/?show=up")).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(
        answer.headers()["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'")
    );
    let html = answer.text().await.expect("a body");
    assert_eq!(rows(&html, "tunnels").len(), 4, "three tunnels and a heading");
    daemon.stop().await.expect("a clean stop");
}
