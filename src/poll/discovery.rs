//! Region discovery: asks the API which regions an account has, again and again, for accounts whose regions are `all`.
//!
//! It decides when to call the API. `wiring` applies the results to the targets.

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

use super::failure;
use crate::{
    domain::{
        reason::Reason,
        target::{AccountName, Region},
    },
    snapshot::Failure,
    tencent::{
        account::{Account, AccountSettings},
        action::{Action, home_region},
        describe_regions::DescribeRegions,
    },
};

/// The time limit for one discovery with its retries.
const TIMEOUT: Duration = Duration::from_secs(45);

/// How long to wait between two discoveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryIntervals {
    /// After one that succeeded.
    pub after_success: Duration,
    /// After one that failed.
    pub after_failure: Duration,
}

impl Default for DiscoveryIntervals {
    /// One hour after a success, one minute after a failure.
    fn default() -> Self {
        Self { after_success: Duration::from_hours(1), after_failure: Duration::from_mins(1) }
    }
}

/// How one discovery of one account ended.
#[derive(Debug)]
pub struct DiscoveryResult {
    /// The account.
    pub account: AccountName,
    /// The account's settings, with which its regions were discovered.
    pub settings: AccountSettings,
    /// When it ended.
    pub ended: Timestamp,
    /// The regions that the account may poll.
    pub regions: Result<BTreeSet<Region>, Failure>,
}

/// The discovery tasks of all accounts whose regions are `all`.
#[derive(Debug)]
pub struct Discovery {
    intervals: DiscoveryIntervals,
    tasks: JoinSet<()>,
    accounts: BTreeMap<AccountName, (Arc<Account>, AbortHandle)>,
    sender: mpsc::Sender<DiscoveryResult>,
    results: mpsc::Receiver<DiscoveryResult>,
}

impl Discovery {
    /// No tasks: [`Self::reconcile`] starts them.
    #[must_use]
    pub fn new(intervals: DiscoveryIntervals) -> Self {
        let (sender, results) = mpsc::channel(1);
        Self { intervals, tasks: JoinSet::new(), accounts: BTreeMap::new(), sender, results }
    }

    /// Starts and stops tasks to match these accounts. If an account's settings changed, its task is replaced.
    pub fn reconcile(&mut self, accounts: &BTreeMap<AccountName, Arc<Account>>) {
        self.accounts.retain(|name, (before, task)| {
            let stays = accounts.get(name).is_some_and(|present| present.settings() == before.settings());
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, account) in accounts {
            if !self.accounts.contains_key(name) {
                let task = DiscoveryTask {
                    name: name.clone(),
                    account: Arc::clone(account),
                    intervals: self.intervals,
                    last_failure: None,
                };
                let task = self.tasks.spawn(task.run(self.sender.clone()));
                self.accounts.insert(name.clone(), (Arc::clone(account), task));
            }
        }
    }

    /// The next result, or the panic of a task. It is cancel safe.
    pub async fn next(&mut self) -> Result<DiscoveryResult, JoinError> {
        loop {
            tokio::select! {
                Some(result) = self.results.recv() => return Ok(result),
                Some(Err(error)) = self.tasks.join_next() => {
                    if !error.is_cancelled() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Stops all tasks.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Discovers the regions of one account.
#[derive(Debug)]
struct DiscoveryTask {
    name: AccountName,
    account: Arc<Account>,
    intervals: DiscoveryIntervals,
    /// Why the last discovery failed; `None` if it succeeded.
    last_failure: Option<Reason>,
}

impl DiscoveryTask {
    /// Discovers at once, and again after each interval, until the receiver is dropped.
    async fn run(mut self, results: mpsc::Sender<DiscoveryResult>) {
        loop {
            let regions = self.discover().await;
            self.log(regions.as_ref().err());
            let interval = match regions {
                Ok(_) => self.intervals.after_success,
                Err(_) => self.intervals.after_failure,
            };
            let result = DiscoveryResult {
                account: self.name.clone(),
                settings: self.account.settings().clone(),
                ended: Timestamp::now(),
                regions,
            };
            if results.send(result).await.is_err() {
                return;
            }
            sleep(interval).await;
        }
    }

    async fn discover(&self) -> Result<BTreeSet<Region>, Failure> {
        let region = home_region();
        let response = self.account.post(&DescribeRegions::VPN, &region, Instant::now() + TIMEOUT).await;
        response.map(|response| response.value).map_err(|error| {
            let route = self.account.route(DescribeRegions::SERVICE, &region);
            failure::from_error(&error, &route, DescribeRegions::PERMISSION)
        })
    }

    /// Logs the first of several failures for the same reason, and the success after them.
    fn log(&mut self, failure: Option<&Failure>) {
        let account = &self.name;
        match failure {
            Some(Failure { reason, message }) if self.last_failure.replace(*reason) == Some(*reason) => {
                tracing::debug!(%account, error = message, "region discovery still fails");
            }
            Some(Failure { reason, message }) => tracing::warn!(
                %account,
                reason = reason.as_str(),
                error = message,
                "region discovery failed; polling the last known regions"
            ),
            None if self.last_failure.take().is_some() => {
                tracing::info!(%account, "region discovery works again");
            }
            None => {}
        }
    }
}
