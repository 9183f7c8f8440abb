//! Which regions accounts have, for those whose regions are `all`: looked up again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, sleep},
};

use super::TargetApi;
use crate::{
    domain::AccountName,
    telemetry::{DiscoveryTelemetry, Telemetry},
    tencent::{ApiError, regions::AvailableRegions},
};

/// From a good look-up to the next one.
const INTERVAL: Duration = Duration::from_secs(3600);

/// From a look-up that failed to the next one.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// For one look-up, retries included.
const TIMEOUT: Duration = Duration::from_secs(45);

/// How one look-up of one account ended.
#[derive(Debug)]
pub struct LookUp {
    /// The account.
    pub account: AccountName,
    /// The regions, or why they are not known. The list stays as it was then.
    pub result: Result<AvailableRegions, ApiError>,
}

/// The look-ups of all accounts whose regions are `all`.
#[derive(Debug)]
pub struct Discovery {
    telemetry: Telemetry,
    seekers: JoinSet<()>,
    accounts: BTreeMap<AccountName, (Arc<TargetApi>, AbortHandle)>,
    /// Accounts for which a look-up has ended, well or not.
    tried: BTreeSet<AccountName>,
    sender: mpsc::Sender<LookUp>,
    look_ups: mpsc::Receiver<LookUp>,
}

impl Discovery {
    /// No look-ups yet.
    #[must_use]
    pub fn new(telemetry: Telemetry) -> Self {
        let (sender, look_ups) = mpsc::channel(1);
        let (accounts, tried) = Default::default();
        Self { telemetry, seekers: JoinSet::new(), accounts, tried, sender, look_ups }
    }

    /// Makes the accounts that are looked up be these; one that is called otherwise than before is looked up at once.
    pub fn follow(&mut self, accounts: &BTreeMap<AccountName, Arc<TargetApi>>) {
        self.accounts.retain(|name, (api, seeker)| {
            let present = accounts.get(name);
            let stays = present.is_some_and(|present| Arc::ptr_eq(present, api));
            if !stays {
                seeker.abort();
            }
            if present.is_none() {
                self.telemetry.forget_discovery(name);
            }
            stays
        });
        for (name, api) in accounts {
            if !self.accounts.contains_key(name) {
                let telemetry = self.telemetry.discovery(name);
                let seek = seek(name.clone(), Arc::clone(api), telemetry, self.sender.clone());
                self.accounts.insert(name.clone(), (Arc::clone(api), self.seekers.spawn(seek)));
            }
        }
    }

    /// The next look-up that has ended, or the panic that ended one by itself. Dropping the future loses neither.
    pub async fn next(&mut self) -> Result<LookUp, JoinError> {
        loop {
            tokio::select! {
                Some(look_up) = self.look_ups.recv() => {
                    self.tried.insert(look_up.account.clone());
                    return Ok(look_up);
                }
                Some(Err(error)) = self.seekers.join_next() => {
                    if !error.is_cancelled() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Whether a first look-up has ended for every account.
    #[must_use]
    pub fn is_tried(&self) -> bool {
        self.accounts.keys().all(|name| self.tried.contains(name))
    }

    /// Ends all look-ups.
    pub async fn stop(mut self) {
        self.seekers.shutdown().await;
    }
}

/// Looks up an account's regions at once and then every hour, or every minute while that fails, until nobody listens.
async fn seek(
    account: AccountName,
    api: Arc<TargetApi>,
    telemetry: DiscoveryTelemetry,
    look_ups: mpsc::Sender<LookUp>,
) {
    loop {
        let result = api.available_regions(Instant::now() + TIMEOUT).await;
        telemetry.count(result.is_ok(), Timestamp::now());
        let pause = if result.is_ok() { INTERVAL } else { RETRY_INTERVAL };
        if look_ups.send(LookUp { account: account.clone(), result }).await.is_err() {
            return;
        }
        sleep(pause).await;
    }
}
