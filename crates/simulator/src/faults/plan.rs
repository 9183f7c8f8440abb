//! Selects the faults of a request. Each active fault counts the requests that match it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Fault, FaultKind};

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// How many fitting requests it has seen.
    seen: usize,
    /// How many requests it has befallen.
    befallen: usize,
    /// Grows by the share with each fitting request; at 1 the fault happens.
    due: f64,
}

/// A request, as far as faults tell requests apart.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) region: &'a str,
    pub(crate) action: &'a str,
    /// The first row of the page that is asked for.
    pub(crate) offset: Option<usize>,
}

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct Plan(Vec<FaultKind>);

impl Faults {
    /// Puts these in the place of all that were in force.
    pub(crate) fn replace(&self, faults: Vec<Fault>) {
        let armed = |fault| Armed { fault, seen: 0, befallen: 0, due: 0.0 };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults.into_iter().map(armed).collect();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        let armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        armed.iter().map(|armed| armed.fault.clone()).collect()
    }

    pub(crate) fn plan(&self, asked: &Asked<'_>) -> Plan {
        let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let befalling = armed.iter_mut().filter(|armed| armed.fault.fits(asked));
        Plan(befalling.filter_map(|armed| armed.befalls().then(|| armed.fault.kind.clone())).collect())
    }
}

impl Fault {
    fn fits(&self, asked: &Asked<'_>) -> bool {
        self.region.as_ref().is_none_or(|region| region == asked.region)
            && self.action.as_ref().is_none_or(|action| action == asked.action)
            && self.offset.is_none_or(|offset| asked.offset == Some(offset))
    }
}

impl Armed {
    /// Counts one more fitting request, and tells whether the fault befalls it.
    fn befalls(&mut self) -> bool {
        self.seen += 1;
        if self.seen <= self.fault.skip || self.fault.times.is_some_and(|times| self.befallen >= times) {
            return false;
        }
        self.due += self.fault.share;
        // Shares such as 0.1 add up to a little less than 1.
        let befalls = self.due > 1.0 - 1e-9;
        if befalls {
            self.due -= 1.0;
            self.befallen += 1;
        }
        befalls
    }
}

impl Plan {
    /// How far the server's clock is ahead, in seconds.
    pub(crate) fn skew(&self) -> i64 {
        let skew = |kind: &FaultKind| if let FaultKind::ClockSkew { seconds } = kind { *seconds } else { 0 };
        self.0.iter().map(skew).fold(0, i64::saturating_add)
    }

    /// For how long the answer is held back.
    pub(crate) fn latency(&self) -> Duration {
        let latency =
            |kind: &FaultKind| if let FaultKind::Latency { milliseconds } = kind { *milliseconds } else { 0 };
        Duration::from_millis(self.0.iter().map(latency).fold(0, u64::saturating_add))
    }

    /// The error that the API answers with, whatever was asked.
    pub(crate) fn error(&self) -> Option<&str> {
        self.0.iter().find_map(|kind| if let FaultKind::Error { code } = kind { Some(&**code) } else { None })
    }

    /// What happens in place of an answer of the API.
    pub(crate) fn instead(&self) -> Option<&FaultKind> {
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

    /// What happens to an answer of the API, in the order of the faults.
    pub(crate) fn kinds(&self) -> &[FaultKind] {
        &self.0
    }

    /// The names of all that happens.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(FaultKind::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_PAGE: Asked<'_> = Asked { region: "eu", action: "Describe", offset: Some(0) };

    /// Which of the next ten such requests are befallen.
    fn befallen(fault: Fault, asked: &Asked<'_>) -> Vec<usize> {
        let faults = Faults::default();
        faults.replace(vec![fault]);
        (0..10).filter(|_| !faults.plan(asked).kinds().is_empty()).collect()
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
            assert_eq!(befallen(fault.clone(), &FIRST_PAGE), expected, "{fault:?}");
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
        assert_eq!(befallen(fault.clone(), &FIRST_PAGE).len(), 10);
        let others = [
            Asked { region: "ap", ..FIRST_PAGE },
            Asked { action: "Delete", ..FIRST_PAGE },
            Asked { offset: Some(100), ..FIRST_PAGE },
            Asked { offset: None, ..FIRST_PAGE },
        ];
        for other in others {
            assert!(befallen(fault.clone(), &other).is_empty(), "{other:?}");
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
        assert_eq!(plan.instead(), Some(&FaultKind::Reset));
        assert_eq!(plan.names(), ["latency", "clock_skew", "latency", "reset"]);
    }
}
