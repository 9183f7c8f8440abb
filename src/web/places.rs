//! How many scrapes are answered at once, and who makes room when that many are slow.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramTimer};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::connections::Connections;

/// How long a connection that was cut may take to give up its place.
const HANDOVER: Duration = Duration::from_secs(1);

/// The places for scrapes that are answered at once.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    connections: Arc<Connections>,
}

/// One of them, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _timer: Option<HistogramTimer>,
}

impl Places {
    /// So many places; 0 for no limit.
    pub(super) fn new(count: usize, connections: Arc<Connections>) -> Self {
        let count = if count == 0 { Semaphore::MAX_PERMITS } else { count };
        Self { free: Arc::new(Semaphore::new(count)), connections }
    }

    /// Takes a place, from the slowest reader if need be; `held` observes for how long. `None` if all are taken by
    /// readers that are quick enough.
    pub(super) async fn take(&self, held: Option<&Histogram>) -> Option<Place> {
        let permit = self.permit().await?;
        Some(Place { _permit: permit, _timer: held.map(Histogram::start_timer) })
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        match self.free.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if self.connections.cut_slowest_scrape() => {
                timeout(HANDOVER, self.free.clone().acquire_owned()).await.ok()?.ok()
            }
            Err(_) => None,
        }
    }
}
