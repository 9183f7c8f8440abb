//! Calls the API for one account. It applies the rate limit, corrects the clock, and counts and retries requests.
//!
//! Every action of every product is called through this file. It must not depend on where credentials come from.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{
    action::{Action, Service, WithServerTime},
    client::{Client, RequestContext},
    credentials::{cache::CredentialCache, source::Credentials},
    error::{ApiError, Remedy},
    rate_limit::RateLimit,
    retry::{Retries, Step},
    transport::Route,
};
use crate::{
    domain::{
        endpoint::Endpoint,
        target::{AccountName, Region},
    },
    telemetry::AccountTelemetry,
};

/// A smaller difference between the clocks is not corrected: the API accepts 300 seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);

/// How the requests of a call are signed.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'a> {
    /// The present credentials of the account.
    Cache(&'a CredentialCache),
    /// These credentials.
    Credentials(&'a Credentials),
    /// They are not signed: the parameters contain a token.
    Unsigned,
}

/// How many requests of an action may be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second of an account, over all its regions.
    pub requests_per_second: f64,
    /// How many processes share these requests.
    pub shards: u32,
}

impl Rate {
    /// The requests a second of this process, for an action with this limit.
    fn of_process(self, limit_of_action: f64) -> f64 {
        self.requests_per_second.min(limit_of_action) / f64::from(self.shards)
    }
}

/// Calls the API for one account.
#[derive(Debug)]
pub struct Caller {
    account: AccountName,
    endpoint: Endpoint,
    client: Client,
    rate: Rate,
    /// The rate limit of each action that was called. The API counts by action too, so no action has to wait for another.
    limits: Mutex<BTreeMap<&'static str, Arc<RateLimit>>>,
    telemetry: AccountTelemetry,
    /// The API's clock minus ours in seconds, for each action and region where a correction is in force. Wrong times in the
    /// responses of one action do not affect the others.
    clock_offsets: Mutex<BTreeMap<(&'static str, Region), i64>>,
}

impl Caller {
    /// Calls the actions of `endpoint`. Nothing is sent yet.
    #[must_use]
    pub fn new(
        account: AccountName,
        endpoint: Endpoint,
        client: Client,
        rate: Rate,
        telemetry: AccountTelemetry,
    ) -> Self {
        Self {
            account,
            endpoint,
            client,
            rate,
            limits: Mutex::default(),
            telemetry,
            clock_offsets: Mutex::default(),
        }
    }

    /// Calls an action until it succeeds, cannot succeed, or `deadline` is too near for another attempt.
    ///
    /// Without a deadline it retries only after a clock correction or a renewal of the credentials; it never pauses.
    pub async fn post<A: Action>(
        &self,
        action: &A,
        region: &Region,
        signer: Signer<'_>,
        deadline: Option<Instant>,
    ) -> Result<WithServerTime<A::Response>, ApiError> {
        let mut retries = Retries::new();
        // If the deadline ends the last attempt, the error before it is returned: it says more than a time-out.
        let mut last_error = None;
        loop {
            let credentials = match with_deadline(deadline, self.wait_and_take_credentials::<A>(signer)).await
            {
                Some(credentials) => credentials?,
                None => return Err(last_error.unwrap_or(ApiError::OutOfTime)),
            };
            let error = match self.post_attempt(action, region, credentials.as_ref(), deadline).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let time_left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if matches!(error, ApiError::CutOff(_)) {
                return Err(last_error.unwrap_or(error));
            }
            let has_temporary_credentials =
                credentials.as_ref().is_some_and(|credentials| credentials.token.is_some());
            match retries.next(error.remedy(has_temporary_credentials), time_left) {
                Some(Step::Pause(pause)) => sleep(pause).await,
                Some(Step::CorrectClock(server_time)) => self.correct_clock::<A>(region, server_time),
                Some(Step::RenewCredentials) => {
                    if !renew(signer, credentials.as_ref(), deadline).await? {
                        return Err(error);
                    }
                }
                None => return Err(error),
            }
            last_error = Some(error);
        }
    }

    /// Calls an action once, when the rate limit allows: for actions that must not be repeated. A request that the API refuses
    /// because of its time had no effect, so it is sent again with the API's time.
    pub async fn post_once<A: Action>(
        &self,
        action: &A,
        region: &Region,
        signer: Signer<'_>,
    ) -> Result<A::Response, ApiError> {
        let credentials = self.wait_and_take_credentials::<A>(signer).await?;
        let error = match self.post_attempt(action, region, credentials.as_ref(), None).await {
            Ok(response) => return Ok(response.value),
            Err(error) => error,
        };
        let Remedy::CorrectClock(Some(server_time)) = error.remedy(false) else { return Err(error) };
        self.correct_clock::<A>(region, server_time);
        Ok(self.post_attempt(action, region, credentials.as_ref(), None).await?.value)
    }

    /// Sends exactly one request, counts it, and compares the clocks. It ends at the deadline, if there is one.
    async fn post_attempt<A: Action>(
        &self,
        action: &A,
        region: &Region,
        credentials: Option<&Credentials>,
        deadline: Option<Instant>,
    ) -> Result<WithServerTime<A::Response>, ApiError> {
        let telemetry = self.telemetry.action(A::NAME);
        let url = self.url(A::SERVICE, region);
        let context = RequestContext { url: &url, region, credentials, now: self.server_time::<A>(region) };
        let start = Instant::now();
        let result = with_deadline(deadline, self.client.post(action, &context)).await;
        let result = result.unwrap_or_else(|| {
            let waited = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
            Err(ApiError::CutOff(Duration::from_millis(waited)))
        });
        telemetry.count(start.elapsed().as_secs_f64(), result.as_ref().err().map(ApiError::reason));
        match &result {
            Ok(response) => self.check_clock::<A>(region, response.server_time),
            Err(error) => tracing::debug!(
                account = %self.account, %region, action = A::NAME, %error, "request failed"
            ),
        }
        result
    }

    /// Waits for credentials and then for the rate limit. In the other order, requests that pass the limit during a slow load
    /// would be sent all at once. The credentials are read again after the wait, because they can expire during it.
    async fn wait_and_take_credentials<A: Action>(
        &self,
        signer: Signer<'_>,
    ) -> Result<Option<Credentials>, ApiError> {
        if let Signer::Cache(cache) = signer {
            cache.current().await?;
        }
        self.limit::<A>().wait().await;
        match signer {
            Signer::Cache(cache) => cache.current().await.map(Some),
            Signer::Credentials(credentials) => Ok(Some(credentials.clone())),
            Signer::Unsigned => Ok(None),
        }
    }

    /// The route of requests to a product in a region.
    #[must_use]
    pub fn route(&self, service: Service, region: &Region) -> Route {
        self.client.route(&self.url(service, region))
    }

    fn url(&self, service: Service, region: &Region) -> Url {
        self.endpoint.url(service.name, region)
    }

    /// Starts the counters of an action at zero before its first request.
    pub(super) fn count_from_zero<A: Action>(&self) {
        drop(self.telemetry.action(A::NAME));
    }

    /// The metrics of the account.
    pub(super) fn telemetry(&self) -> &AccountTelemetry {
        &self.telemetry
    }

    /// The rate limit of an action.
    fn limit<A: Action>(&self) -> Arc<RateLimit> {
        let rate = self.rate.of_process(A::MAX_REQUESTS_PER_SECOND);
        let new = || Arc::new(RateLimit::new(rate, self.telemetry.throttle.clone()));
        Arc::clone(locked(&self.limits).entry(A::NAME).or_insert_with(new))
    }

    /// The API's clock minus the local one, in seconds, if a correction is in use for this action; else 0.
    pub(super) fn clock_offset<A: Action>(&self, region: &Region) -> i64 {
        locked(&self.clock_offsets).get(&(A::NAME, region.clone())).copied().unwrap_or_default()
    }

    /// The present time with the clock correction, if there is one.
    fn server_time<A: Action>(&self, region: &Region) -> Timestamp {
        let now = Timestamp::now();
        // A server can send a date so wrong that the sum overflows.
        now.checked_add(SignedDuration::from_secs(self.clock_offset::<A>(region))).unwrap_or(now)
    }

    /// Compares the clocks again while a correction is in force: the local clock may have been corrected.
    fn check_clock<A: Action>(&self, region: &Region, server_time: Option<Timestamp>) {
        if let (Some(server_time), true) = (server_time, self.clock_offset::<A>(region) != 0) {
            self.correct_clock::<A>(region, server_time);
        }
    }

    fn correct_clock<A: Action>(&self, region: &Region, server_time: Timestamp) {
        let before = self.clock_offset::<A>(region);
        let offset = server_time.duration_since(Timestamp::now());
        let change = offset - SignedDuration::from_secs(before);
        let is_off = offset.abs() >= CLOCK_TOLERANCE;
        if is_off && change.abs() < CLOCK_TOLERANCE {
            return;
        }
        let offset = if is_off { offset.as_secs() } else { 0 };
        if offset == before {
            return;
        }
        locked(&self.clock_offsets).insert((A::NAME, region.clone()), offset);
        let account = &self.account;
        if offset == 0 {
            tracing::info!(%account, %region, action = A::NAME, "clock correction is no longer needed");
        } else {
            tracing::warn!(
                %account, %region, action = A::NAME, offset_seconds = offset,
                "clock differs from the API's; requests are sent with the API's time"
            );
        }
    }
}

/// Locks a map. A poisoned lock is safe to use: each change is a single insertion.
fn locked<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The output of a future; `None` if the deadline passes first.
async fn with_deadline<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Renews the refused credentials of the account. Returns whether other credentials came before the deadline.
async fn renew(
    signer: Signer<'_>,
    refused: Option<&Credentials>,
    deadline: Option<Instant>,
) -> Result<bool, ApiError> {
    let (Signer::Cache(cache), Some(refused)) = (signer, refused) else { return Ok(false) };
    with_deadline(deadline, cache.renew(refused)).await.unwrap_or(Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_smaller_limit() {
        let rate = |requests_per_second, shards| Rate { requests_per_second, shards };
        assert_eq!(rate(20.0, 1).of_process(f64::INFINITY), 20.0);
        assert_eq!(rate(20.0, 4).of_process(10.0), 2.5);
        assert_eq!(rate(4.0, 1).of_process(10.0), 4.0);
    }
}
