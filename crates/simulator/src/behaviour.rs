//! The planned behaviour of a tunnel: its status is a pure function of the time since the simulation started.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

/// How long a flapping tunnel stays up or down.
const FLAP: Duration = Duration::from_secs(12);
/// An outage that is long enough for the shipped alerts to fire and to end.
const LONG_OUTAGE: Cycle =
    Cycle { first: Duration::from_secs(8), every: Duration::from_secs(900), lasts: Duration::from_secs(250) };
/// The duration of a planned deletion.
const DELETION: Duration = Duration::from_secs(90);

/// The status of a tunnel at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) state: State,
    /// Whether the two ends are connected.
    pub(super) connected: bool,
    /// Whether a health check succeeds, if one is configured.
    pub(super) healthy: bool,
}

/// `State` in the row of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Available,
    Deleting,
}

impl Status {
    pub(super) const UP: Self = Self { state: State::Available, connected: true, healthy: true };
    const DOWN: Self = Self { state: State::Available, connected: false, healthy: false };
    const UNHEALTHY: Self = Self { state: State::Available, connected: true, healthy: false };
    const PENDING: Self = Self { state: State::Pending, connected: false, healthy: false };
    pub(super) const DELETING: Self = Self { state: State::Deleting, connected: false, healthy: false };

    /// The status while the gateway carries no traffic.
    pub(super) fn without_traffic(self) -> Self {
        if self.state == State::Available { Self::DOWN } else { self }
    }
}

/// The behaviour of a tunnel until a test changes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Behaviour {
    /// Always up.
    Steady,
    /// Idle: not connected because there is no traffic.
    Idle,
    /// Down repeatedly.
    Outages(Cycle),
    /// Connected, but its health check fails repeatedly.
    Unhealthy(Cycle),
    /// Repeatedly alternates between up and down, for `FLAP` each.
    Flapping(Cycle),
    /// `PENDING` until this time, then up.
    Made { until: Duration },
    /// Up until this time, then deleted.
    Deleted { from: Duration },
}

/// An event that repeats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cycle {
    first: Duration,
    every: Duration,
    lasts: Duration,
}

impl Cycle {
    /// The time since the event started; `None` outside the event.
    fn inside(&self, at: Duration) -> Option<Duration> {
        let since = at.checked_sub(self.first)?.as_nanos() % self.every.as_nanos();
        let since = Duration::from_nanos(u64::try_from(since).ok()?);
        (since < self.lasts).then_some(since)
    }

    fn draw(rng: &mut Rng, first: Range<u64>, lasts: Range<u64>) -> Self {
        Self {
            first: Duration::from_secs(rng.u64(first)),
            every: Duration::from_secs(rng.u64(150..420)),
            lasts: Duration::from_secs(rng.u64(lasts)),
        }
    }
}

impl Behaviour {
    /// The status at a time since the simulation started.
    pub(super) fn status(&self, at: Duration) -> Status {
        match self {
            Self::Idle => Status::DOWN,
            Self::Outages(cycle) if cycle.inside(at).is_some() => Status::DOWN,
            Self::Unhealthy(cycle) if cycle.inside(at).is_some() => Status::UNHEALTHY,
            Self::Flapping(cycle) => match cycle.inside(at) {
                Some(since) if (since.as_secs() / FLAP.as_secs()).is_multiple_of(2) => Status::DOWN,
                _ => Status::UP,
            },
            Self::Made { until } if at < *until => Status::PENDING,
            _ => Status::UP,
        }
    }

    /// The planned time during which the tunnel is `DELETING`.
    pub(super) fn deletion(&self) -> Option<Range<Duration>> {
        match self {
            Self::Deleted { from } => Some(*from..*from + DELETION),
            _ => None,
        }
    }

    /// Whether the tunnel must have a health check or must have none; `None` allows both.
    pub(super) fn health_check(&self) -> Option<bool> {
        match self {
            Self::Unhealthy(_) => Some(true),
            Self::Idle => Some(false),
            _ => None,
        }
    }
}

/// Plans the behaviour of each tunnel. At most a third of them, but at least one, have events. The first event starts
/// within 30 seconds.
pub(super) fn plans(tunnels: usize, rng: &mut Rng) -> Vec<Behaviour> {
    let mut plans = vec![Behaviour::Steady; tunnels];
    let eventful = (tunnels / 3).min(8 + tunnels / 12).max(1);
    let mut indexes: Vec<usize> = (0..tunnels).collect();
    rng.shuffle(&mut indexes);
    for (number, index) in indexes.into_iter().take(eventful).enumerate() {
        plans[index] = plan(number, rng);
    }
    plans
}

/// The plan of the tunnel with this number among those with events. The most interesting plans come first.
fn plan(number: usize, rng: &mut Rng) -> Behaviour {
    match number {
        0 => Behaviour::Outages(Cycle::draw(rng, 10..25, 30..60)),
        1 => Behaviour::Made { until: Duration::from_secs(rng.u64(30..50)) },
        2 => Behaviour::Flapping(Cycle::draw(rng, 5..30, 60..120)),
        3 => Behaviour::Unhealthy(Cycle::draw(rng, 20..50, 60..120)),
        4 => Behaviour::Deleted { from: Duration::from_secs(rng.u64(20..40)) },
        5 => Behaviour::Idle,
        6 => Behaviour::Outages(LONG_OUTAGE),
        n if n % 6 == 0 => Behaviour::Flapping(Cycle::draw(rng, 30..400, 60..120)),
        n if n % 3 == 0 => Behaviour::Unhealthy(Cycle::draw(rng, 30..400, 45..120)),
        _ => Behaviour::Outages(Cycle::draw(rng, 30..400, 30..120)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn outage_begins_ends_and_returns() {
        let cycle = Cycle { first: seconds(20), every: seconds(100), lasts: seconds(30) };
        let behaviour = Behaviour::Outages(cycle);
        let connected = |at| behaviour.status(seconds(at)).connected;
        let expected =
            [(0, true), (19, true), (20, false), (49, false), (50, true), (119, true), (120, false)];
        for (at, expected) in expected {
            assert_eq!(connected(at), expected, "at {at} s");
        }
    }

    #[test]
    fn flapping_tunnel_goes_down_and_up() {
        let cycle = Cycle { first: seconds(0), every: seconds(100), lasts: seconds(48) };
        let behaviour = Behaviour::Flapping(cycle);
        let connected = [0, 12, 24, 36, 48, 60, 100].map(|at| behaviour.status(seconds(at)).connected);
        assert_eq!(connected, [false, true, false, true, true, true, false]);
    }

    #[test]
    fn small_world_changes_often_but_is_mostly_up() {
        for seed in 0..50 {
            for tunnels in [1, 3, 10, 24, 100] {
                let plans = plans(tunnels, &mut Rng::with_seed(seed));
                let at = |at| plans.iter().map(|plan| plan.status(seconds(at))).collect::<Vec<_>>();
                let changed = (1..60).any(|second| at(second) != at(second - 1));
                assert!(changed, "nothing happens with seed {seed} and {tunnels} tunnels");
                let up = |second| at(second).iter().filter(|&&status| status == Status::UP).count();
                let least = (0..600).map(up).min().expect("moments");
                assert!(tunnels < 3 || least * 3 >= tunnels * 2, "{least} of {tunnels} up, seed {seed}");
            }
        }
    }

    #[test]
    fn demo_shows_every_behaviour() {
        let plans = plans(24, &mut Rng::with_seed(1));
        let count = |is: fn(&Behaviour) -> bool| plans.iter().filter(|plan| is(plan)).count();
        assert_eq!(count(|plan| matches!(plan, Behaviour::Idle)), 1);
        assert_eq!(count(|plan| matches!(plan, Behaviour::Made { .. })), 1);
        assert_eq!(count(|plan| matches!(plan, Behaviour::Deleted { .. })), 1);
        assert!(count(|plan| matches!(plan, Behaviour::Flapping(_))) >= 1);
        assert!(count(|plan| matches!(plan, Behaviour::Unhealthy(_))) >= 1);
        assert!(count(|plan| matches!(plan, Behaviour::Outages(_))) >= 2);
        assert_eq!(count(|plan| *plan == Behaviour::Outages(LONG_OUTAGE)), 1);
    }
}
