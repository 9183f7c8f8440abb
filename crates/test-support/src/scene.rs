//! One target with faults and two without, and assertions about their metrics and log lines.

use simulator::{self, Fault, FaultKind};

use crate::{Api, Daemon, Metrics, Sample, frozen, log::Log};

pub const GUANGZHOU: &str = "ap-guangzhou";
pub const FRANKFURT: &str = "eu-frankfurt";

/// The labels of a target.
pub type Target = [(&'static str, &'static str); 2];

/// The target with faults.
pub const FAULTY_TARGET: Target = [("account", "main"), ("region", GUANGZHOU)];

/// The others: another region of its account, and another account.
pub const OTHER_TARGETS: [Target; 2] =
    [[("account", "main"), ("region", FRANKFURT)], [("account", "other"), ("region", FRANKFURT)]];

const LAST_SUCCESS: &str = "last_success_timestamp_seconds";

/// The number of tunnels of the faulty target.
pub const TUNNELS: usize = 3;

pub struct Scene {
    pub api: Api,
    pub daemon: Daemon,
    pub log: Log,
}

impl Scene {
    /// A scene with three targets and these poll settings.
    pub async fn start(poll: &str) -> Self {
        Self::start_with(Self::world(), |api| Self::config(api, poll)).await
    }

    fn world() -> simulator::Options {
        frozen(&[(GUANGZHOU, TUNNELS), (FRANKFURT, 2)])
    }

    /// A scene with these simulator options and this configuration.
    pub async fn start_with(world: simulator::Options, config: impl FnOnce(&Api) -> String) -> Self {
        let log = Log::capture();
        let api = Api::start(world).await;
        let daemon = Daemon::start(&config(&api)).await;
        Self { api, daemon, log }
    }

    /// A configuration of the three targets with these poll settings.
    pub fn config(api: &Api, poll: &str) -> String {
        let (main, other) =
            (api.account("main", &[GUANGZHOU, FRANKFURT]), api.account("other", &[FRANKFURT]));
        api.config_for(&[&main, &other], poll)
    }

    /// Makes this fault affect every request of the faulty target. It replaces all other faults.
    pub fn set_fault(&self, kind: FaultKind) {
        self.set_faults([Fault::new(kind)]);
    }

    /// Makes these faults affect only the requests of the faulty target. They replace all other faults.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        let here = |fault| Fault { region: Some(GUANGZHOU.to_owned()), ..fault };
        self.api.control.set_faults(faults.into_iter().map(here).collect()).expect("faults that can happen");
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.set_faults([]);
    }

    /// Waits until all polls succeed, and returns the metrics.
    pub async fn wait_until_healthy(&self) -> Metrics {
        let metrics = self.daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
        assert_eq!(metrics.count("tunnel_up", &FAULTY_TARGET), TUNNELS);
        assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0, "{metrics}");
        metrics
    }

    /// Waits for two polls that fail for this reason. Asserts that the tunnels stay published, and that the other targets
    /// are not affected.
    pub async fn wait_for_two_failures(&self, reason: &str, before: &Metrics) -> Metrics {
        let first = self.wait_for_failure(reason, before).await;
        let during = self.wait_for_failure(reason, &first).await;
        assert_eq!(during.value(LAST_SUCCESS, &FAULTY_TARGET), first.value(LAST_SUCCESS, &FAULTY_TARGET));
        during
    }

    /// The same for one poll.
    pub async fn wait_for_failure(&self, reason: &str, before: &Metrics) -> Metrics {
        let failures =
            |metrics: &Metrics| metrics.sum("poll_failures_total", &with_reason(FAULTY_TARGET, reason));
        let has_failed =
            |metrics: &Metrics| failures(metrics) > failures(before) && has_polled(metrics, before);
        let during = self.daemon.until(has_failed).await;
        assert_eq!(during.value("up", &FAULTY_TARGET), Some(0.0));
        assert_eq!(during.tunnels(&FAULTY_TARGET), before.tunnels(&FAULTY_TARGET));
        assert_eq!(
            tunnels(&during, FAULTY_TARGET),
            tunnels(before, FAULTY_TARGET),
            "the tunnels of the last successful poll are still shown"
        );
        assert_eq!(during.sum("poll_failures_total", &FAULTY_TARGET), failures(&during));
        assert_others_unaffected(before, &during);
        during
    }

    /// Waits until polls of the faulty target succeed again, and asserts that its tunnels are unchanged.
    pub async fn wait_for_recovery(&self, before: &Metrics, during: &Metrics) -> Metrics {
        let up = |metrics: &Metrics| metrics.value("up", &FAULTY_TARGET) == Some(1.0);
        let last_success = |metrics: &Metrics| metrics.value(LAST_SUCCESS, &FAULTY_TARGET);
        // A target that recovered before the last scrape has an old success there.
        let is_newer = |metrics: &Metrics| last_success(metrics) > last_success(during);
        let recovered = |metrics: &Metrics| up(metrics) && is_newer(metrics) && has_polled(metrics, during);
        let after = self.daemon.until(recovered).await;
        assert_eq!(tunnels(&after, FAULTY_TARGET), tunnels(before, FAULTY_TARGET));
        assert_others_unaffected(during, &after);
        after
    }

    /// Asserts that the log has one line about the failure of the faulty target and one about its recovery, and none
    /// about the others.
    pub fn assert_logged_once(&self, reason: &str) {
        let failed = self.log.only_line(&["WARN", "poll failed"]);
        assert!(failed.contains(&format!("reason=\"{reason}\"")), "{failed}");
        assert!(failed.contains("account=main") && failed.contains(GUANGZHOU), "{failed}");
        let again = self.log.only_line(&["INFO", "polls succeed again"]);
        assert!(again.contains(GUANGZHOU), "{again}");
    }

    /// The number of requests of a region so far, with or without a response.
    pub fn requests(&self, region: &str) -> usize {
        self.api.control.journal().iter().filter(|entry| entry.region == region).count()
    }
}

/// Tests a fault from its start to the recovery of the target, with polls that fail within four
/// seconds.
pub async fn check_outage(kind: FaultKind, reason: &str) -> Scene {
    check_outage_in(Scene::start("interval: 250ms, timeout: 4s, stale_after: 1h").await, kind, reason).await
}

/// The same for a fault that takes so much work that polls and requests need more time.
pub async fn check_slow_outage(kind: FaultKind, reason: &str) -> Scene {
    let config = |api: &Api| {
        let config = Scene::config(api, "interval: 1s, timeout: 60s, stale_after: 1h");
        config.replace("request_timeout: 2s", "request_timeout: 30s")
    };
    let scene = Scene::start_with(Scene::world(), config).await;
    check_outage_in(scene, kind, reason).await
}

/// The same for a fault that polls wait for until their time-out. Only one poll fails, since each takes four seconds.
pub async fn check_stall(kind: FaultKind) {
    let scene = Scene::start("interval: 250ms, timeout: 4s, stale_after: 1h").await;
    let before = scene.wait_until_healthy().await;
    scene.set_fault(kind);
    let during = scene.wait_for_failure("timeout", &before).await;
    scene.clear_faults();
    scene.wait_for_recovery(&before, &during).await;
    scene.assert_logged_once("timeout");
}

async fn check_outage_in(scene: Scene, kind: FaultKind, reason: &str) -> Scene {
    let before = scene.wait_until_healthy().await;
    scene.set_fault(kind);
    let during = scene.wait_for_two_failures(reason, &before).await;
    scene.clear_faults();
    scene.wait_for_recovery(&before, &during).await;
    scene.assert_logged_once(reason);
    scene
}

pub fn with_reason(target: Target, reason: &str) -> [(&str, &str); 3] {
    let [account, region] = target;
    [account, region, ("reason", reason)]
}

/// All samples of a target's tunnels, in a fixed order.
pub fn tunnels(metrics: &Metrics, target: Target) -> Vec<&Sample> {
    let of_target = |sample: &&Sample| {
        sample.name.starts_with("tencentcloud_vpn_tunnel_")
            && target.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
    };
    let mut samples: Vec<_> = metrics.0.iter().filter(of_target).collect();
    samples.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    samples
}

/// Whether the other targets were polled again.
fn has_polled(now: &Metrics, before: &Metrics) -> bool {
    OTHER_TARGETS.iter().all(|target| now.value("polls_total", target) > before.value("polls_total", target))
}

/// Asserts that no poll of the other targets failed, and that their tunnels are unchanged.
#[track_caller]
pub fn assert_others_unaffected(before: &Metrics, now: &Metrics) {
    for target in OTHER_TARGETS {
        assert_eq!(now.value("up", &target), Some(1.0), "{target:?}\n{now}");
        assert_eq!(now.sum("poll_failures_total", &target), 0.0, "{target:?}\n{now}");
        assert_eq!(tunnels(now, target), tunnels(before, target));
    }
}

/// A fault whose response is this error of the API.
pub fn error(code: &str) -> FaultKind {
    FaultKind::Error { code: code.to_owned() }
}

/// A fault that replaces the response by this text.
pub fn body(text: &str) -> FaultKind {
    FaultKind::Body { content_type: "text/html".to_owned(), text: text.to_owned() }
}

/// A fault with this HTTP status.
pub fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, retry_after: None }
}
