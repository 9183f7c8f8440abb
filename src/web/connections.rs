//! All connections of the server, and which of them make room when there is none.
//!
//! A newcomer is always let in: what it displaces is the connection that has been idle, dripping or slow the longest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::time::Instant;

use super::{Limits, activity::Activity};

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    by_number: HashMap<u64, Arc<Activity>>,
    accepted: u64,
}

impl Connections {
    /// Seats a new connection, in another's place if there are `limits.connections` already.
    pub(super) fn admit(self: &Arc<Self>, limits: &Limits) -> Seat {
        let activity = Arc::new(Activity::new(limits));
        let mut open = self.open();
        while open.by_number.len() >= limits.connections.max(1) {
            open.cut_least_worth();
        }
        let number = open.accepted;
        open.accepted += 1;
        open.by_number.insert(number, activity.clone());
        Seat { connections: self.clone(), number, activity }
    }

    /// Ends the quarter of the connections that is of least worth, for a system that has run out of something.
    pub(super) fn cut_quarter(&self) {
        let mut open = self.open();
        for _ in 0..open.by_number.len().div_ceil(4) {
            open.cut_least_worth();
        }
    }

    /// Ends the connection that has held a place for a scrape the longest, of those that are slow.
    pub(super) fn cut_slowest_scrape(&self) {
        let now = Instant::now();
        let open = self.open();
        let slow = open.by_number.values().filter_map(|activity| Some((activity.slow_since(now)?, activity)));
        if let Some((_, slowest)) = slow.min_by_key(|(since, _)| *since) {
            slowest.cut();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl Open {
    fn cut_least_worth(&mut self) {
        let least = self.by_number.iter().min_by_key(|(_, activity)| activity.worth());
        if let Some(activity) =
            least.map(|(number, _)| *number).and_then(|number| self.by_number.remove(&number))
        {
            activity.cut();
        }
    }
}

/// One connection's entry among all; it leaves them when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    connections: Arc<Connections>,
    number: u64,
    /// What the connection is doing.
    pub(super) activity: Arc<Activity>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.open().by_number.remove(&self.number);
    }
}
