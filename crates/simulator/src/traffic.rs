//! What a tunnel carries while it is connected: a daily curve in China Standard Time.
//!
//! All values are functions of the tunnel's identifier, its gateway and the Unix time. They use no random numbers of the
//! world, so that the same seed still makes the same world.

use std::f64::consts::TAU;

use super::{gateway::Gateway, hash};

const DAY: u64 = 86_400;
const CHINA_STANDARD_TIME: u64 = 8 * 3600;
/// The hour with the least traffic, in China Standard Time. The hour with the most is 12 hours later.
const QUIETEST_HOUR: f64 = 4.0;
/// The traffic of the quietest hour, relative to the busiest.
const NIGHT: f64 = 0.4;
/// The share of a gateway's traffic that each of the two tunnels of its first site carries.
const FIRST_SITE: f64 = 0.35;
/// The traffic of a site, relative to the site before.
const NEXT_SITE: f64 = 0.3;
/// The index of the site with the least traffic. All later sites carry as much as it.
const LAST_SITE: usize = 3;

/// The traffic of one tunnel.
#[derive(Debug)]
pub(super) struct Traffic {
    seed: u64,
    /// The transmitted bandwidth in the busiest hour, in Mbit/s.
    peak: f64,
    /// A factor for bandwidth and packets, which a test sets.
    pub(super) share: f64,
}

/// `Out` is from the VPC to the peer, `In` is towards the VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Out,
    In,
}

impl Traffic {
    /// `index` is the tunnel's index on its gateway, in the order of creation.
    pub(super) fn new(id: &str, gateway: &Gateway, index: usize) -> Self {
        let seed = hash::of(id);
        let site = (0..LAST_SITE.min(index / 2)).fold(FIRST_SITE, |share, _| share * NEXT_SITE);
        let busy = between(0.7, 1.0, hash::fraction(hash::of(&gateway.id), "load", 0));
        let share = site * between(0.85, 1.0, hash::fraction(seed, "peak", 0));
        Self { seed, peak: f64::from(gateway.bandwidth) * busy * share, share: 1.0 }
    }

    /// The bandwidth in the minute that starts at a Unix time, in Mbit/s.
    pub(super) fn bandwidth(&self, direction: Direction, minute: u64) -> f64 {
        let (of_peak, noise) = match direction {
            Direction::Out => (1.0, "out"),
            Direction::In => (between(0.5, 0.9, hash::fraction(self.seed, "in to out", 0)), "in"),
        };
        let variation = between(0.95, 1.05, hash::fraction(self.seed, noise, minute));
        self.share * self.peak * of_peak * daily_curve(minute) * variation
    }

    /// The packets of the same minute, per second.
    pub(super) fn packets(&self, direction: Direction, minute: u64) -> f64 {
        let bytes_per_packet = between(400.0, 1000.0, hash::fraction(self.seed, "packet", 0));
        self.bandwidth(direction, minute) * 1e6 / 8.0 / bytes_per_packet
    }

    /// The lost probes of a health check, in percent. A failing check loses most of them.
    pub(super) fn packet_loss(&self, healthy: bool, minute: u64) -> f64 {
        let luck = hash::fraction(self.seed, "loss", minute);
        if healthy { 0.5 * luck.powi(3) } else { between(40.0, 90.0, luck) }
    }

    /// The round-trip time of a health check, in milliseconds.
    pub(super) fn delay(&self, minute: u64) -> f64 {
        let usual = between(5.0, 180.0, hash::fraction(self.seed, "delay", 0));
        usual * between(0.95, 1.1, hash::fraction(self.seed, "jitter", minute))
    }
}

/// The traffic of a minute relative to the busiest hour.
fn daily_curve(minute: u64) -> f64 {
    let second = (minute % DAY + CHINA_STANDARD_TIME) % DAY;
    let hour = second as f64 / 3600.0;
    let busy = (1.0 - ((hour - QUIETEST_HOUR) / 24.0 * TAU).cos()) / 2.0;
    between(NIGHT, 1.0, busy)
}

/// The number at a fraction of the way from `low` to `high`.
fn between(low: f64, high: f64, fraction: f64) -> f64 {
    low + (high - low) * fraction
}
