//! Gateways and peers on the status page.

use std::{sync::Arc, time::Duration};

use tencentcloud_vpn_exporter::{
    domain::{
        customer_gateway::CustomerGateway, gateway::Gateway, reason::Reason, status::GatewayState,
        tunnel::Tunnel,
    },
    snapshot::Snapshot,
};
use test_support::worlds::{
    broken_gateway, customer_gateway, down, gateway, html, idle, isolated, mixed_snapshot, snapshot, target,
    tunnel, unknown,
};

use tokio::time::Instant;

use super::{assert_row, headline, names, part, rows, text, tunnel_rows};

/// One target with these tunnels, all of one gateway and one peer.
fn at(gateway: Gateway, tunnels: impl IntoIterator<Item = Tunnel>) -> Snapshot {
    let world = target("production", "ap-guangzhou").with_listing(12, tunnels);
    snapshot([world.with_gateways([gateway], [customer_gateway("berlin")])])
}

fn blocked(gateway: Gateway) -> Gateway {
    Gateway { is_address_blocked: Some(true), ..gateway }
}

fn in_error(gateway: Gateway) -> Gateway {
    Gateway { state: GatewayState::PendingError, ..gateway }
}

#[test]
fn tunnel_shows_its_gateway_and_peer() {
    let world = at(gateway("offices"), [tunnel("vpnx-1", "primary")]);
    assert_row(
        &world,
        "▲ Up primary vpnx-1 production ap-guangzhou offices vpngw-6x0wxvtp berlin cgw-e503id2z 198.51.100.9 AVAILABLE",
    );
    assert!(html(&world, "").contains("<th scope=\"col\">Peer</th>"));
}

#[test]
fn unlisted_gateways_have_no_peer_column() {
    let page = html(&mixed_snapshot(), "");
    assert!(!page.contains("<th scope=\"col\">Peer</th>") && !page.contains("cgw-e503id2z"));
    assert!(page.contains("colspan=\"9\""));
    let unnamed =
        at(gateway(""), [Tunnel { customer_gateway_id: "cgw-other".into(), ..tunnel("vpnx-1", "") }]);
    assert_row(&unnamed, "ap-guangzhou vpngw-6x0wxvtp cgw-other AVAILABLE");
    assert!(html(&unnamed, "").contains("colspan=\"10\""));
}

#[test]
fn broken_gateway_is_the_cause() {
    let table = [
        (isolated(gateway("")), "gateway isolated"),
        (blocked(gateway("")), "gateway address blocked"),
        (in_error(gateway("")), "gateway in error"),
        (isolated(blocked(gateway(""))), "gateway isolated"),
    ];
    for (gateway, cause) in table {
        let tunnels =
            [down("vpnx-1", "a"), unknown("vpnx-2", "b"), idle("vpnx-3", "c"), tunnel("vpnx-4", "d")];
        let world = at(gateway, tunnels);
        for row in [format!("▼ Down {cause} a"), format!("◆ Unknown {cause} b"), format!("○ Idle {cause} c")]
        {
            assert_row(&world, &row);
        }
        assert_row(&world, "▲ Up d vpnx-4");
    }
    let working = tunnel_rows(&at(gateway(""), [down("vpnx-1", "a")]), "");
    assert!(working[1].starts_with("▼ Down a"), "{working:?}");
}

#[test]
fn headline_names_broken_gateways() {
    let downs = || [down("vpnx-1", ""), down("vpnx-2", ""), unknown("vpnx-3", "")];
    let table = [
        (at(isolated(gateway("")), downs()), "▼ 2 tunnels down, 1 gateway isolated, 1 tunnel unknown"),
        (at(blocked(gateway("")), [down("vpnx-1", "")]), "▼ 1 tunnel down, 1 gateway blocked"),
        (at(in_error(gateway("")), [tunnel("vpnx-1", "")]), "▼ 1 gateway in error"),
        (at(gateway(""), [tunnel("vpnx-1", "")]), "▲ 1 tunnel up"),
    ];
    for (world, words) in table {
        assert_eq!(headline(&world), words);
    }
    let regions = ["a", "b", "c"].map(|region| {
        let broken = if region == "c" { blocked(gateway("")) } else { isolated(gateway("")) };
        target("x", region).with_listing(1, []).with_gateways([broken], [])
    });
    assert_eq!(headline(&snapshot(regions)), "▼ 2 gateways isolated, 1 gateway blocked");
}

#[test]
fn warning_names_broken_gateways() {
    let world = at(isolated(gateway("offices")), [down("vpnx-1", ""), tunnel("vpnx-2", "")]);
    let page = html(&world, "");
    assert_eq!(
        text(part(&page, "<div class=\"warning\">", "</div>")),
        "▼ 1 gateway isolated. production / ap-guangzhou : offices \
         vpngw-6x0wxvtp isolated: it is unpaid, and carries no traffic; 1 of its 2 tunnels up"
    );
    assert!(!html(&at(gateway(""), []), "").contains("class=\"warning\""));
    let many = (0..7).map(|n| {
        target("x", &format!("r-{n}")).with_listing(1, []).with_gateways([isolated(gateway(""))], [])
    });
    let page = html(&snapshot(many), "");
    let warning = text(part(&page, "<div class=\"warning\">", "</div>"));
    assert!(warning.ends_with("it has no tunnels and 2 more"), "{warning}");
}

#[test]
fn search_finds_gateways_and_peers() {
    let world = broken_gateway();
    let table = [
        ("q=gw-guangzhou-offices", 3),
        ("q=berlin-PRIMARY", 3),
        ("q=cgw-e503id2z", 6),
        ("q=203.0.113.7", 5),
        ("q=198.51.100.9", 3),
        ("q=2001:db8:", 2),
        ("q=isolated", 3),
        ("q=isolated+tokyo", 1),
        ("q=blocked", 0),
    ];
    for (query, count) in table {
        assert_eq!(names(&world, query).len(), count, "{query}");
    }
}

#[test]
fn unlisted_gateways_do_not_fail_the_target() {
    let world = broken_gateway();
    let rows = rows(&html(&world, ""), "targets");
    assert!(rows.iter().all(|row| row.starts_with("● Working")), "{rows:#?}");
    let note = "gateways cannot be listed: the permission is missing UnauthorizedOperation: not authorized";
    assert!(rows[2].contains(&format!("0 of 1 {note}")), "{}", rows[2]);
    assert!(rows[2].contains(&format!(" customer {note}")), "{}", rows[2]);
    assert!(rows[0].ends_with("0 of 1 none"), "{}", rows[0]);
    assert_eq!(headline(&world), "▼ 4 tunnels down, 1 gateway isolated");
    let counts = text(part(&html(&world, ""), "<ul class=\"tiles\">", "</ul>"));
    assert!(counts.ends_with("2 ▲ Up 0 of 3 ✕ Targets failing"), "{counts}");
}

#[test]
fn failed_traffic_does_not_fail_the_target() {
    let target = target("production", "eu-frankfurt")
        .with_listing(31, [tunnel("vpnx-3c1r8y5d", "partner-lyon")])
        .with_traffic(1.0)
        .with_failed_traffic(Reason::Unauthorized, "UnauthorizedOperation: <b>not authorized</b>");
    let page = html(&snapshot([target]), "");
    let rows = rows(&page, "targets");
    assert!(rows[0].starts_with("● Working"), "{rows:#?}");
    let note = "traffic cannot be queried: the permission is missing UnauthorizedOperation: ";
    assert!(rows[0].contains(&format!("0 of 1 {note}")), "{rows:#?}");
    assert!(!page.contains("<b>not authorized"), "{page}");
}

#[test]
fn unknown_tunnels_are_not_absent_tunnels() {
    let world = [isolated(gateway("offices"))];
    let listed = target("production", "ap-guangzhou").with_listing(12, [down("vpnx-1", "a")]);
    let stale = listed.with_failure(1, Reason::Timeout, "no response").with_expired_tunnels();
    let page = html(&snapshot([stale.with_gateways(world, [])]), "");
    let warning = text(part(
        &page,
        "<div class=\"warning\">\n<p><strong><span aria-hidden=\"true\">▼</span> 1",
        "</div>",
    ));
    assert!(warning.ends_with("its tunnels are not known"), "{warning}");
}

#[test]
fn failed_listing_keeps_the_last_gateways() {
    let listed = target("production", "ap-guangzhou")
        .with_listing(12, [down("vpnx-1", "a")])
        .with_gateways([isolated(gateway("offices"))], [customer_gateway("berlin")]);
    let failed = listed.with_failed_gateways(Reason::Timeout, "no response");
    assert_row(&snapshot([failed.clone()]), "▼ Down gateway isolated a vpnx-1");
    let page = html(&snapshot([failed.clone()]), "");
    assert!(page.contains("carries no traffic (last known: gateways cannot be listed now); 0 of"), "{page}");
    let mut expired = failed;
    let gateways = Arc::make_mut(expired.0.gateways.as_mut().expect("gateways"));
    gateways.expire(Instant::now(), Duration::ZERO);
    let stale = snapshot([expired]);
    assert_row(&stale, "▼ Down a vpnx-1");
    assert_eq!(headline(&stale), "▼ 1 tunnel down");
}

#[test]
fn names_of_gateways_and_peers_are_escaped() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{7}\u{202e}\r\n";
    let long = "x".repeat(10_000);
    let peer = CustomerGateway { ip_address: hostile.into(), ..customer_gateway(hostile) };
    let hostile_world = target("production", "ap-guangzhou")
        .with_listing(12, [down("vpnx-1", "a")])
        .with_gateways([isolated(gateway(hostile))], [peer])
        .with_failed_gateways(Reason::Refused, hostile);
    let long_world = target("production", "eu-frankfurt")
        .with_listing(12, [down("vpnx-2", "b")])
        .with_gateways([isolated(gateway(&long))], [customer_gateway(&long)]);
    let page = html(&snapshot([hostile_world, long_world]), "");
    assert_eq!(page.matches("<script>").count(), 1, "the page's own");
    assert!(!page.contains("<img") && !page.contains("alert(1)</script>"));
    assert!(!page.contains(['\u{7}', '\u{202e}', '\r']));
    let escaped = "<bdi>&#60;/script&#62;&#60;script&#62;alert(1)";
    assert_eq!(page.matches(escaped).count(), 6, "gateway twice, peer, its address, and two notes");
    assert!(text(&page).contains(&long));
}
