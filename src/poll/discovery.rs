//! Which regions accounts have, for those whose regions are `all`: looked up again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, sleep},
};

use super::failure;
use crate::{
    domain::{
        reason::Reason,
        target::{AccountName, Region},
    },
    snapshot::{FailedLookUp, FailedLookUps, Failure},
    telemetry::{DiscoveryTelemetry, Telemetry},
    tencent::{
        account::Account,
        action::{Action, home_region},
        describe_regions::DescribeRegions,
    },
};

/// For one look-up, retries included.
const TIMEOUT: Duration = Duration::from_secs(45);

/// When regions are looked up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUpPauses {
    /// From a good look-up to the next one.
    pub after_success: Duration,
    /// From a look-up that failed to the next one.
    pub after_failure: Duration,
}

impl Default for LookUpPauses {
    /// An hour, and a minute.
    fn default() -> Self {
        Self { after_success: Duration::from_hours(1), after_failure: Duration::from_mins(1) }
    }
}

/// How one look-up of one account ended.
#[derive(Debug)]
pub struct LookUp {
    /// The account.
    pub account: AccountName,
    /// The regions; if the look-up failed, the list stays as it was.
    pub found: Result<BTreeSet<Region>, Failure>,
}

/// The look-ups of all accounts whose regions are `all`.
#[derive(Debug)]
pub struct Discovery {
    telemetry: Telemetry,
    pauses: LookUpPauses,
    seekers: JoinSet<()>,
    accounts: BTreeMap<AccountName, (Arc<Account>, AbortHandle)>,
    /// Accounts for which a look-up has ended, well or not.
    tried: BTreeSet<AccountName>,
    /// How many regions the last good look-up of an account found.
    known: BTreeMap<AccountName, usize>,
    failed: watch::Sender<FailedLookUps>,
    sender: mpsc::Sender<LookUp>,
    look_ups: mpsc::Receiver<LookUp>,
}

impl Discovery {
    /// No look-ups yet.
    #[must_use]
    pub fn new(telemetry: Telemetry, pauses: LookUpPauses) -> Self {
        let (sender, look_ups) = mpsc::channel(1);
        let (accounts, tried, known, failed) = Default::default();
        Self { telemetry, pauses, seekers: JoinSet::new(), accounts, tried, known, failed, sender, look_ups }
    }

    /// The accounts whose last look-up failed, always the present ones.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<FailedLookUps> {
        self.failed.subscribe()
    }

    /// Makes the accounts that are looked up be these; one that is called otherwise than before is looked up at once.
    pub fn follow(&mut self, accounts: &BTreeMap<AccountName, Arc<Account>>) {
        self.accounts.retain(|name, (api, seeker)| {
            let present = accounts.get(name);
            let stays = present.is_some_and(|present| present.settings() == api.settings());
            if !stays {
                seeker.abort();
            }
            if present.is_none() {
                self.telemetry.forget_discovery(name);
            }
            stays
        });
        self.known.retain(|name, _| accounts.contains_key(name));
        self.failed.send_modify(|failed| failed.retain(|name, _| accounts.contains_key(name)));
        for (name, api) in accounts {
            if !self.accounts.contains_key(name) {
                let seeker = Seeker {
                    account: name.clone(),
                    api: Arc::clone(api),
                    telemetry: self.telemetry.discovery(name),
                    pauses: self.pauses,
                    last_failure: None,
                };
                let seeker = self.seekers.spawn(seeker.run(self.sender.clone()));
                self.accounts.insert(name.clone(), (Arc::clone(api), seeker));
            }
        }
    }

    /// The next look-up that has ended, or the panic that ended one by itself. Dropping the future loses neither.
    pub async fn next(&mut self) -> Result<LookUp, JoinError> {
        loop {
            tokio::select! {
                Some(look_up) = self.look_ups.recv() => {
                    self.tried.insert(look_up.account.clone());
                    self.note(&look_up);
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

    fn note(&mut self, LookUp { account, found }: &LookUp) {
        // One that ended after its account was configured otherwise is nobody's.
        if !self.accounts.contains_key(account) {
            return;
        }
        if let Ok(found) = found {
            self.known.insert(account.clone(), found.len());
        }
        let regions = self.known.get(account).copied().unwrap_or_default();
        self.failed.send_modify(|failed| match found {
            Ok(_) => drop(failed.remove(account)),
            Err(failure) => {
                failed.insert(account.clone(), FailedLookUp { failure: failure.clone(), regions });
            }
        });
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

/// Looks up the regions of one account.
#[derive(Debug)]
struct Seeker {
    account: AccountName,
    api: Arc<Account>,
    telemetry: DiscoveryTelemetry,
    pauses: LookUpPauses,
    /// Why the last look-up failed; `None` if it did not.
    last_failure: Option<Reason>,
}

impl Seeker {
    /// Looks at once, and again after each pause, until nobody listens.
    async fn run(mut self, look_ups: mpsc::Sender<LookUp>) {
        loop {
            let region = home_region();
            let found = self.api.post(&DescribeRegions::VPN, &region, Instant::now() + TIMEOUT).await;
            let route = self.api.route(DescribeRegions::SERVICE, &region);
            let found = found.map(|response| response.value);
            let found =
                found.map_err(|error| failure::from_error(&error, &route, DescribeRegions::PERMISSION));
            self.note(found.as_ref().err());
            let pause = if found.is_ok() { self.pauses.after_success } else { self.pauses.after_failure };
            let look_up = LookUp { account: self.account.clone(), found };
            if look_ups.send(look_up).await.is_err() {
                return;
            }
            sleep(pause).await;
        }
    }

    /// Tells metrics and log how a look-up ended; the log only what is new.
    fn note(&mut self, failure: Option<&Failure>) {
        self.telemetry.count(failure.is_none(), Timestamp::now());
        let account = &self.account;
        match failure {
            Some(Failure { reason, message }) if self.last_failure.replace(*reason) == Some(*reason) => {
                tracing::debug!(%account, error = message, "regions still cannot be looked up");
            }
            Some(Failure { reason, message }) => tracing::warn!(
                %account,
                reason = reason.as_str(),
                error = message,
                "regions cannot be looked up; those that are known are polled on"
            ),
            None if self.last_failure.take().is_some() => {
                tracing::info!(%account, "regions can be looked up again");
            }
            None => {}
        }
    }
}
