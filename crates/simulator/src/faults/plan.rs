//! Selects the faults of a request. Each active fault counts the requests that match it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Fault, FaultKind};

/// The active faults.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// The number of matching requests.
    seen: usize,
    /// The number of affected requests.
    affected: usize,
    /// Grows by the share with each matching request; at 1 the fault applies.
    due: f64,
}

/// The request attributes that faults can match.
#[derive(Debug)]
pub(crate) struct RequestKey<'a> {
    pub(crate) region: &'a str,
    pub(crate) action: &'a str,
    /// The requested `Offset`.
    pub(crate) offset: Option<usize>,
}

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct Plan(Vec<FaultKind>);

impl Faults {
    /// Replaces all active faults.
    pub(crate) fn replace(&self, faults: Vec<Fault>) {
        let armed = |fault| Armed { fault, seen: 0, affected: 0, due: 0.0 };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults.into_iter().map(armed).collect();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.iter().map(|armed| armed.fault.clone()).collect()
    }

    pub(crate) fn plan(&self, key: &RequestKey<'_>) -> Plan {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let matching = armed.iter_mut().filter(|armed| armed.fault.matches(key));
        Plan(matching.filter_map(|armed| armed.affects().then(|| armed.fault.kind.clone())).collect())
    }
}

impl Fault {
    fn matches(&self, key: &RequestKey<'_>) -> bool {
        self.region.as_ref().is_none_or(|region| region == key.region)
            && self.action.as_ref().is_none_or(|action| action == key.action)
            && self.offset.is_none_or(|offset| key.offset == Some(offset))
    }
}

impl Armed {
    /// Counts a matching request and returns whether the fault affects it.
    fn affects(&mut self) -> bool {
        self.seen += 1;
        if self.seen <= self.fault.skip || self.fault.times.is_some_and(|times| self.affected >= times) {
            return false;
        }
        self.due += self.fault.share;
        // Ten times 0.1 adds up to a little less than 1.
        let affects = self.due > 1.0 - 1e-9;
        if affects {
            self.due -= 1.0;
            self.affected += 1;
        }
        affects
    }
}

impl Plan {
    /// How far the server's clock is ahead, in seconds.
    pub(crate) fn skew(&self) -> i64 {
        let skew = |kind: &FaultKind| if let FaultKind::ClockSkew { seconds } = kind { *seconds } else { 0 };
        self.0.iter().map(skew).fold(0, i64::saturating_add)
    }

    /// The delay of the response.
    pub(crate) fn latency(&self) -> Duration {
        let latency =
            |kind: &FaultKind| if let FaultKind::Latency { milliseconds } = kind { *milliseconds } else { 0 };
        Duration::from_millis(self.0.iter().map(latency).fold(0, u64::saturating_add))
    }

    /// The error code of the response, if a fault sets one.
    pub(crate) fn error(&self) -> Option<&str> {
        self.0.iter().find_map(|kind| if let FaultKind::Error { code } = kind { Some(&**code) } else { None })
    }

    /// The fault that replaces the API's response.
    pub(crate) fn replacement(&self) -> Option<&FaultKind> {
        self.0.iter().find(|kind| {
            matches!(
                kind,
                FaultKind::Reset
                    | FaultKind::StallHeaders
                    | FaultKind::Body { .. }
                    | FaultKind::Endless
                    | FaultKind::Inflate { .. }
                    | FaultKind::Rows { .. }
                    | FaultKind::Status { .. }
                    | FaultKind::Redirect { .. }
            )
        })
    }

    /// The faults, in the order in which they apply.
    pub(crate) fn kinds(&self) -> &[FaultKind] {
        &self.0
    }

    /// The names of the faults, for the journal.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(FaultKind::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_PAGE: RequestKey<'_> = RequestKey { region: "eu", action: "Describe", offset: Some(0) };

    /// The indexes of the affected requests among the next ten.
    fn affected(fault: Fault, key: &RequestKey<'_>) -> Vec<usize> {
        let faults = Faults::default();
        faults.replace(vec![fault]);
        (0..10).filter(|_| !faults.plan(key).kinds().is_empty()).collect()
    }

    #[test]
    fn fault_obeys_skip_share_and_times() {
        let fault = || Fault::new(FaultKind::Reset);
        let all: Vec<_> = (0..10).collect();
        let table = [
            (fault(), all.clone()),
            (Fault::once(FaultKind::Reset), vec![0]),
            (Fault { skip: 8, ..fault() }, vec![8, 9]),
            (Fault { skip: 1, times: Some(2), ..fault() }, vec![1, 2]),
            (Fault { share: 0.5, ..fault() }, vec![1, 3, 5, 7, 9]),
            (Fault { share: 0.1, ..fault() }, vec![9]),
            (Fault { share: 0.3, ..fault() }, vec![3, 6, 9]),
        ];
        for (fault, expected) in table {
            assert_eq!(affected(fault.clone(), &FIRST_PAGE), expected, "{fault:?}");
        }
    }

    #[test]
    fn fault_applies_only_if_all_conditions_match() {
        let fault = Fault {
            region: Some("eu".into()),
            action: Some("Describe".into()),
            offset: Some(0),
            ..Fault::new(FaultKind::Reset)
        };
        assert_eq!(affected(fault.clone(), &FIRST_PAGE).len(), 10);
        let others = [
            RequestKey { region: "ap", ..FIRST_PAGE },
            RequestKey { action: "Delete", ..FIRST_PAGE },
            RequestKey { offset: Some(100), ..FIRST_PAGE },
            RequestKey { offset: None, ..FIRST_PAGE },
        ];
        for other in others {
            assert!(affected(fault.clone(), &other).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn several_faults_add_up() {
        let faults = Faults::default();
        let kinds = [
            FaultKind::Latency { milliseconds: 20 },
            FaultKind::ClockSkew { seconds: -400 },
            FaultKind::Latency { milliseconds: 30 },
            FaultKind::Reset,
        ];
        faults.replace(kinds.map(Fault::new).into());
        let plan = faults.plan(&FIRST_PAGE);
        assert_eq!((plan.skew(), plan.latency()), (-400, Duration::from_millis(50)));
        assert_eq!(plan.replacement(), Some(&FaultKind::Reset));
        assert_eq!(plan.names(), ["latency", "clock_skew", "latency", "reset"]);
    }
}
