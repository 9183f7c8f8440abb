//! `tunnels delete` without a terminal: its output, requests, refusals and waits.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use simulator::{Fault, FaultKind, GatewayState};

use super::setup::{DELETE, GUANGZHOU, LIST, Scene, TunnelIds, without_seconds};
use test_support::binary::{assert_exit, run};

/// A documented error: its cause and its message.
struct Case {
    code: &'static str,
    message: &'static str,
    arrange: fn(&Scene, &mut TunnelIds),
}

fn set_gateway(scene: &Scene, tunnel: &TunnelIds, state: GatewayState) {
    scene.api.control.set_gateway(GUANGZHOU, &tunnel.gateway, state).expect("the gateway");
}

/// Makes the listing show the tunnel on a gateway that it does not belong to.
fn list_on_gateway(scene: &Scene, tunnel: &mut TunnelIds, gateway: &str) {
    scene.set(tunnel, "VpnGatewayId", gateway);
    gateway.clone_into(&mut tunnel.gateway);
}

const DOCUMENTED: [Case; 5] = [
    Case {
        code: "InvalidParameterValue.Malformed",
        message: "an id is malformed: a gateway's looks like vpngw-6x0wxvtp, a tunnel's like vpnx-f49l6u0z",
        arrange: |scene, tunnel| list_on_gateway(scene, tunnel, "gateway-1"),
    },
    Case {
        code: "UnsupportedOperation.RecordNotExists",
        message: "the tunnel is not on this gateway; `tunnels list` shows its gateway",
        arrange: |scene, tunnel| list_on_gateway(scene, tunnel, &scene.tunnel(8).gateway),
    },
    Case {
        code: "UnsupportedOperation.DeleteVpnConnInvalidState",
        message: "the tunnel is already being created, changed or deleted; wait until this is finished, and check again",
        arrange: |scene, tunnel| scene.set(tunnel, "State", "PENDING"),
    },
    Case {
        code: "UnsupportedOperation.MutexOperationTaskRunning",
        message: "another operation is running on the gateway; try again when it has finished, usually within minutes",
        arrange: |scene, tunnel| set_gateway(scene, tunnel, GatewayState::Busy),
    },
    Case {
        code: "UnauthorizedOperation",
        message: "these credentials have no permission to delete tunnels; allow them vpc:DeleteVpnConnection, or configure others",
        arrange: |scene, _| {
            let number = &scene.api.control.accounts()[0].number;
            scene.api.control.forbid(number, DELETE).expect("the account");
        },
    },
];

#[tokio::test]
async fn documented_error_has_a_remedy() {
    let cases = DOCUMENTED.map(|Case { code, message, arrange }| async move {
        let scene = Scene::with(9).await;
        let mut tunnel = scene.tunnel(0);
        arrange(&scene, &mut tunnel);
        let ended = scene.delete(&tunnel, &["--yes"]).await;
        assert_exit(code, &ended, 1, &[]);
        let message = format!("{message}: {code}: ");
        assert!(ended.stderr.starts_with(&message), "{code}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("(request "), "{}", ended.stderr);
        assert_eq!(scene.requests(), [LIST, DELETE], "{code} is not retried");
    });
    join_all(cases).await;
}

fn error(code: &str) -> FaultKind {
    FaultKind::Error { code: code.to_owned() }
}

#[tokio::test]
async fn tunnel_that_is_not_found_counts_as_deleted() {
    // The tunnel is deleted between the query and the request. The next query returns "not found".
    let vanishes = (LIST, 0, Some(1), FaultKind::Drift { remove: Some(0), add: 0 });
    let not_found = (LIST, 1, None, error("ResourceNotFound"));
    let cases = [(vanishes, "ResourceNotFound: "), (not_found, "")].map(|(fault, message)| async move {
        let scene = Scene::with(1).await;
        scene.set_faults([fault]);
        let ended = scene.delete(&scene.tunnel(0), &["--yes"]).await;
        assert_exit("not found", &ended, 0, &[message]);
        assert!(without_seconds(&ended.stdout).ends_with(" was deleted after N s.\n"), "{}", ended.stdout);
        assert_eq!(scene.requests(), [LIST, DELETE, LIST]);
    });
    join_all(cases).await;
}

#[tokio::test]
async fn wrong_clock_does_not_prevent_a_deletion() {
    let scene = Scene::with(1).await;
    scene.api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds: 4000 })]).expect("a fault");
    let ended = scene.delete(&scene.tunnel(0), &["--yes", "--no-wait"]).await;
    assert_exit("wrong clock", &ended, 0, &[]);
    assert_eq!(scene.requests(), [LIST, LIST, DELETE, DELETE], "each is sent again with the API's time");
}

#[tokio::test]
async fn wait_fails_while_the_tunnel_is_listed() {
    let scene = Scene::with(1).await;
    let mut tunnel = scene.tunnel(0);
    list_on_gateway(&scene, &mut tunnel, "vpngw-00000000");
    let ended = scene.delete(&tunnel, &["--yes", "--timeout", "1s"]).await;
    let not_deleted =
        format!("{} is not deleted after 1s; it may still be deleted later: see `tunnels list`", tunnel.id);
    assert_exit(
        "still listed",
        &ended,
        1,
        &["ResourceNotFound: ", "the tunnel counts as deleted", &not_deleted],
    );
    let ended = scene.delete(&tunnel, &["--yes", "--no-wait"]).await;
    assert_exit("--no-wait", &ended, 0, &["ResourceNotFound: "]);
    let end = format!("Tencent Cloud does not find {}, so it counts as deleted.\n", tunnel.id);
    assert!(ended.stdout.ends_with(&end), "{}", ended.stdout);
}

#[tokio::test]
async fn unavailable_gateway_is_tried_again() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    scene.set_faults([(DELETE, 0, Some(2), error("UnsupportedOperation.InvalidState"))]);
    let ended = scene.delete(&tunnel, &["--yes", "--no-wait"]).await;
    assert_exit("it passes", &ended, 0, &["InvalidState: ", "the gateway is not available; trying again"]);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert_eq!(scene.requests(), [LIST, DELETE, DELETE, DELETE]);
}

#[tokio::test]
async fn unavailable_gateway_is_reported_at_the_timeout() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    set_gateway(&scene, &tunnel, GatewayState::Unavailable);
    let ended = scene.delete(&tunnel, &["--yes", "--timeout", "1s"]).await;
    let message = "\nthe gateway is not available; see its state in the console, and try again when it is: \
                UnsupportedOperation.InvalidState: ";
    assert_exit("it stays", &ended, 1, &["InvalidState: ", message]);
    assert_eq!(scene.ids(), [tunnel.id]);
}

#[tokio::test]
async fn wrong_tunnel_is_refused_before_the_deletion() {
    let scene = Scene::with(9).await;
    let (here, elsewhere) = (scene.tunnel(0), scene.tunnel(8));
    let absent = TunnelIds { id: "vpnx-00000000".to_owned(), ..here.clone() };
    let crossed = TunnelIds { gateway: elsewhere.gateway.clone(), ..here.clone() };
    let not_there = "main in ap-guangzhou has no tunnel vpnx-00000000; see `tunnels list`";
    let not_on = format!(
        "{} is not on {} but on {}; name that gateway if you mean this tunnel",
        here.id, elsewhere.gateway, here.gateway
    );
    for (tunnel, message) in [(absent, not_there), (crossed, &*not_on)] {
        for flag in ["--yes", "--dry-run"] {
            let ended = scene.delete(&tunnel, &[flag]).await;
            assert_eq!((ended.code(), ended.stderr.trim_end()), (Some(1), message));
            assert_eq!(ended.stdout, "", "it is not shown");
        }
    }
    assert_eq!(scene.deletions(), 0);
}

#[tokio::test]
async fn unconfigured_target_is_refused() {
    let scene = Scene::with(1).await;
    let TunnelIds { gateway, id, .. } = scene.tunnel(0);
    for (account, name) in [("main", "eu-frankfurt"), ("other", GUANGZHOU)] {
        let words = ["tunnels", "delete", "--yes", "--account", account, "--region", name];
        let ids = ["--vpn-gateway-id", &gateway, "--vpn-connection-id", &id];
        let ended = run(scene.files.exporter(&[&words[..], &ids].concat())).await;
        let message =
            format!("{account} in {name} is not configured; name an account and a region that are\n");
        assert_eq!((ended.code(), ended.stderr), (Some(64), message));
    }
    assert_eq!(scene.requests(), [""; 0]);
}

#[tokio::test]
async fn question_needs_a_terminal() {
    let scene = Scene::with(1).await;
    let ended = scene.delete(&scene.tunnel(0), &[]).await;
    let message = "refused: this is not a terminal, so the deletion cannot be confirmed; to delete without a question, add --yes\n";
    assert_eq!((ended.code(), &*ended.stderr, &*ended.stdout), (Some(64), message, ""));
    assert_eq!(scene.requests(), [""; 0], "no request is sent");
}

#[tokio::test]
async fn dry_run_deletes_nothing() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    scene.set(&tunnel, "VpnConnectionName", "to\nthe \u{1b}[31moffice");
    scene.set(&tunnel, "EnableHealthCheck", false);
    let row = &scene.api.control.rows(GUANGZHOU).expect("the region")[0];
    let peer = row["IKEOptionsSpecification"]["RemoteAddress"].as_str().expect("an address");
    let ended = scene.delete(&tunnel, &["--dry-run"]).await;
    let shown = format!(
        "Tunnel      {} \"to the \u{fffd}[31moffice\"\n\
         Account     main\n\
         Region      ap-guangzhou\n\
         Gateway     {}\n\
         Peer IKE id {peer}\n\
         Status      up\n\
         State       AVAILABLE\n\
         Net status  AVAILABLE\n\
         Health      no check configured\n\
         \n\
         WARNING: this tunnel is UP. Hosts behind it will be cut off.\n\
         \n\
         Nothing was deleted: this was a dry run.\n",
        tunnel.id, tunnel.gateway
    );
    assert_eq!((ended.code(), &*ended.stderr, ended.stdout), (Some(0), "", shown));
    assert_eq!(scene.requests(), [LIST]);
}

#[tokio::test]
async fn tunnel_in_use_causes_a_warning() {
    const UP: &str = "WARNING: this tunnel is UP.";
    const MAY_BE_IN_USE: &str = "WARNING: this tunnel may be in use.";
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    scene.set(&tunnel, "EnableHealthCheck", true);
    let table = [
        ("AVAILABLE", "AVAILABLE", "AVAILABLE", Some(UP)),
        ("AVAILABLE", "AVAILABLE", "UNAVAILABLE", Some(MAY_BE_IN_USE)),
        ("AVAILABLE", "NEW", "AVAILABLE", Some(MAY_BE_IN_USE)),
        ("NEW", "AVAILABLE", "AVAILABLE", Some(MAY_BE_IN_USE)),
        ("AVAILABLE", "UNAVAILABLE", "UNAVAILABLE", None),
        ("PENDING", "UNAVAILABLE", "UNAVAILABLE", None),
    ];
    for (state, net_status, health, warning) in table {
        scene.set(&tunnel, "State", state);
        scene.set(&tunnel, "NetStatus", net_status);
        scene.set(&tunnel, "HealthCheckStatus", health);
        let shown = scene.delete(&tunnel, &["--dry-run"]).await.stdout;
        let found = [UP, MAY_BE_IN_USE].into_iter().find(|words| shown.contains(words));
        assert_eq!(found, warning, "{state} {net_status} {health}: {shown}");
    }
}

#[tokio::test]
async fn yes_deletes_the_tunnel_and_waits() {
    let scene = Scene::with(3).await;
    let [first, tunnel, last] = [0, 1, 2].map(|place| scene.tunnel(place));
    // It is looked at, deleted, and looked at twice while it is being deleted.
    let (ended, ()) = join(scene.delete(&tunnel, &["--yes"]), scene.end_deletions_after(4)).await;
    assert_exit("--yes", &ended, 0, &[]);
    assert_eq!(ended.stderr, "");
    let end = format!("\nDeleting {id} …\n{id} was deleted after N s.\n", id = tunnel.id);
    assert!(without_seconds(&ended.stdout).ends_with(&end), "{}", ended.stdout);
    assert!(!ended.stdout.contains(['\r', '\u{1b}']), "{}", ended.stdout);
    assert_eq!(scene.requests()[..4], [LIST, DELETE, LIST, LIST]);
    assert_eq!(scene.deletions(), 1);
    assert_eq!(scene.ids(), [first.id, last.id], "the other tunnels stay");
}

#[tokio::test]
async fn no_wait_returns_once_the_request_is_accepted() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    let ended = scene.delete(&tunnel, &["--yes", "--no-wait"]).await;
    assert_exit("--no-wait", &ended, 0, &[]);
    let end = format!("Tencent Cloud has accepted the deletion of {}.\n", tunnel.id);
    assert!(ended.stdout.ends_with(&end), "{}", ended.stdout);
    assert_eq!(scene.requests(), [LIST, DELETE]);
    let again = scene.delete(&tunnel, &["--yes"]).await;
    assert_exit("a second time", &again, 1, &["already being created, changed or deleted"]);
}

#[tokio::test]
async fn timeout_bounds_the_wait() {
    let waits = [None, Some(FaultKind::StallHeaders)].map(|fault| async move {
        let scene = Scene::with(1).await;
        scene.set_faults(fault.map(|kind| (LIST, 1, None, kind)));
        let tunnel = scene.tunnel(0);
        let start = Instant::now();
        let ended = scene.delete(&tunnel, &["--yes", "--timeout", "1s"]).await;
        let message = format!(
            "{} is not deleted after 1s; it may still be deleted later: see `tunnels list`\n",
            tunnel.id
        );
        assert_eq!((ended.code(), ended.stderr), (Some(1), message));
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        assert_eq!(scene.deletions(), 1);
    });
    join_all(waits).await;
}

#[tokio::test]
async fn failed_queries_are_reported_once_during_the_wait() {
    let scene = Scene::with(1).await;
    let refused = FaultKind::Error { code: "UnauthorizedOperation".to_owned() };
    scene.set_faults([(LIST, 1, Some(2), refused)]);
    let tunnel = scene.tunnel(0);
    let (ended, ()) = join(scene.delete(&tunnel, &["--yes"]), scene.end_deletions_after(4)).await;
    assert_exit("refused looks", &ended, 0, &["the query of the tunnel failed: UnauthorizedOperation: "]);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(without_seconds(&ended.stdout).ends_with(" was deleted after N s.\n"), "{}", ended.stdout);
}
