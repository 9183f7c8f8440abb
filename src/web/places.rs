//! How many scrapes are answered at once, and who makes room when that many are slow.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramTimer};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{Limits, connections::Connections};

/// How often a scrape that waits for a place looks whether a reader has become slow.
const LOOK: Duration = Duration::from_millis(50);

/// The places for scrapes that are answered at once.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    timeout: Duration,
    connections: Arc<Connections>,
}

/// One of them, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _timer: Option<HistogramTimer>,
}

impl Places {
    /// As many places as there may be scrapes at once.
    pub(super) fn new(limits: &Limits, connections: Arc<Connections>) -> Self {
        let count = if limits.scrapes == 0 { Semaphore::MAX_PERMITS } else { limits.scrapes };
        Self { free: Arc::new(Semaphore::new(count)), timeout: limits.place_timeout, connections }
    }

    /// Takes a place, from the slowest reader if need be; `held` observes for how long. `None` if all stay taken by readers
    /// that are quick enough.
    pub(super) async fn take(&self, held: Option<&Histogram>) -> Option<Place> {
        let permit = self.permit().await?;
        Some(Place { _permit: permit, _timer: held.map(Histogram::start_timer) })
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(permit);
        }
        let freed = self.free.clone().acquire_owned();
        let displaced = async {
            loop {
                self.connections.cut_slowest_scrape();
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            permit = freed => permit.ok(),
            () = sleep(self.timeout) => None,
            never = displaced => never,
        }
    }
}
