//! Calls as a poll makes them: in the account's turn, counted, and tried again as far as that can help.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::limit::RateLimit;
use crate::{
    domain::Target,
    telemetry::{AccountTelemetry, ActionTelemetry},
    tencent::{
        ApiError, Call, Client, Credentials, Remedy, Service,
        client::{Dated, FromResponse},
        credentials::Keyring,
        regions::{self, AvailableRegions},
        transport::Route,
        vpn::{DESCRIBE_VPN_CONNECTIONS, DescribeVpnConnections, Page},
    },
};

/// A correction smaller than this is none: the API forgives 300 seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);

/// What all calls of one account share.
#[derive(Debug)]
pub struct AccountApi {
    /// The connections.
    pub client: Client,
    /// What calls are signed with.
    pub keyring: Keyring,
    /// The account's rate limit.
    pub limit: Arc<RateLimit>,
    /// The account's own metrics.
    pub telemetry: AccountTelemetry,
}

/// The API as it is called for one target.
#[derive(Debug)]
pub struct TargetApi {
    /// What is shared with the account's other targets.
    pub account: Arc<AccountApi>,
    target: Target,
    url: Url,
    describe: ActionTelemetry,
    /// The API's clock minus ours, in seconds, once that is known to matter.
    clock_offset: AtomicI64,
    /// The generation of the credentials that were last used.
    generation: AtomicU64,
}

impl TargetApi {
    /// The API of `target`, found at `url`.
    #[must_use]
    pub fn new(account: Arc<AccountApi>, target: Target, url: Url) -> Self {
        let describe = account.telemetry.action(DESCRIBE_VPN_CONNECTIONS);
        Self {
            account,
            target,
            url,
            describe,
            clock_offset: AtomicI64::new(0),
            generation: AtomicU64::new(0),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address of the API, and the proxy on the route to it.
    #[must_use]
    pub fn route(&self) -> Route {
        self.account.client.route(&self.url)
    }

    /// The API's clock minus ours, in seconds, where a correction is in force; else 0.
    pub fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    /// Waits until the account has other credentials than those that were last used here.
    pub async fn credentials_changed(&self) {
        self.account.keyring.changed(self.generation.load(Ordering::Relaxed)).await;
    }

    /// One page of a listing. Errors are those that trying again did not mend before the deadline.
    pub async fn describe(
        &self,
        parameters: &DescribeVpnConnections<'_>,
        deadline: Instant,
    ) -> Result<Page, ApiError> {
        Ok(self.describe_dated(parameters, deadline).await?.value)
    }

    /// The same, and the API's clock.
    pub async fn describe_dated(
        &self,
        parameters: &DescribeVpnConnections<'_>,
        deadline: Instant,
    ) -> Result<Dated<Page>, ApiError> {
        let call = self.call(DESCRIBE_VPN_CONNECTIONS, parameters.body());
        self.persist(&call, &self.describe, deadline).await
    }

    /// The regions that the account may poll. Errors are as for [`describe`](Self::describe).
    pub async fn available_regions(&self, deadline: Instant) -> Result<AvailableRegions, ApiError> {
        let call = regions::describe_regions(&self.target.region, &self.url);
        let telemetry = self.account.telemetry.action(regions::DESCRIBE_REGIONS);
        Ok(self.persist(&call, &telemetry, deadline).await?.value)
    }

    /// Sends a call exactly once, in the account's turn: for what must not be done twice.
    pub async fn once<T: FromResponse>(&self, action: &'static str, body: String) -> Result<T, ApiError> {
        let credentials = self.ready().await?;
        let telemetry = self.account.telemetry.action(action);
        Ok(self.attempt(&self.call(action, body), &telemetry, &credentials, None).await?.value)
    }

    fn call(&self, action: &'static str, body: String) -> Call<'_> {
        Call { service: Service::VPC, action, region: &self.target.region, url: &self.url, body }
    }

    /// Sends a call until it succeeds, cannot be helped, or the deadline is too near for another try.
    async fn persist<T: FromResponse>(
        &self,
        call: &Call<'_>,
        telemetry: &ActionTelemetry,
        deadline: Instant,
    ) -> Result<Dated<T>, ApiError> {
        let mut pauses = pauses();
        let mut clock_corrected = false;
        let mut credentials_renewed = false;
        // What went wrong before tells more than that time was too short to see it go wrong again.
        let mut last_error = None;
        loop {
            let credentials = match timeout_at(deadline, self.ready()).await {
                Ok(credentials) => credentials?,
                Err(_) => return Err(last_error.unwrap_or(ApiError::OutOfTime)),
            };
            let error = match self.attempt(call, telemetry, &credentials, Some(deadline)).await {
                Ok(answer) => {
                    self.check_clock(answer.server_time);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let cut_off = matches!(error, ApiError::Timeout(_)) && Instant::now() >= deadline;
            if let (true, Some(earlier)) = (cut_off, last_error.take()) {
                return Err(earlier);
            }
            match error.remedy(credentials.token.is_some()) {
                Remedy::CorrectClock(Some(server_time)) if !clock_corrected => {
                    clock_corrected = true;
                    self.correct_clock(server_time);
                }
                Remedy::RenewCredentials if !credentials_renewed => {
                    credentials_renewed = true;
                    if !self.account.keyring.renew(&credentials).await? {
                        return Err(error);
                    }
                }
                Remedy::Backoff(at_least) => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    let pause = pause.max(at_least.unwrap_or_default());
                    // An answer may ask for more time than any clock has: that is not added to now.
                    if pause >= deadline.saturating_duration_since(Instant::now()) {
                        return Err(error);
                    }
                    sleep(pause).await;
                }
                _ => return Err(error),
            }
            last_error = Some(error);
        }
    }

    /// Waits for the account's turn. Credentials are taken after that: temporary ones may end during the wait.
    async fn ready(&self) -> Result<Credentials, ApiError> {
        self.account.limit.wait().await;
        let credentials = self.account.keyring.current().await?;
        self.generation.store(self.account.keyring.generation(), Ordering::Relaxed);
        Ok(credentials)
    }

    /// Sends a call once, and gives up at the deadline if there is one: a request that got no answer is counted, too.
    async fn attempt<T: FromResponse>(
        &self,
        call: &Call<'_>,
        telemetry: &ActionTelemetry,
        credentials: &Credentials,
        deadline: Option<Instant>,
    ) -> Result<Dated<T>, ApiError> {
        let now = Timestamp::now();
        // The API may tell a time to which nothing can be added.
        let now = now.checked_add(SignedDuration::from_secs(self.clock_offset())).unwrap_or(now);
        let start = Instant::now();
        let answer = self.account.client.send_dated(call, credentials, now);
        let result = match deadline {
            None => answer.await,
            Some(deadline) => {
                let in_time = timeout_at(deadline, answer).await;
                in_time.unwrap_or_else(|_| {
                    let waited = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
                    Err(ApiError::Timeout(Duration::from_millis(waited)))
                })
            }
        };
        telemetry.count(start.elapsed().as_secs_f64(), result.as_ref().err().map(ApiError::reason));
        if let Err(error) = &result {
            tracing::debug!(
                account = %self.target.account, region = %self.target.region, action = call.action, %error,
                "request failed"
            );
        }
        result
    }

    /// Compares the clocks again while a correction is in force: ours may have been set meanwhile.
    fn check_clock(&self, server_time: Option<Timestamp>) {
        if let (Some(server_time), true) = (server_time, self.clock_offset() != 0) {
            self.correct_clock(server_time);
        }
    }

    fn correct_clock(&self, server_time: Timestamp) {
        let offset = server_time.duration_since(Timestamp::now());
        let change = offset - SignedDuration::from_secs(self.clock_offset());
        if change.abs() < CLOCK_TOLERANCE && offset.abs() >= CLOCK_TOLERANCE {
            return;
        }
        let offset = if offset.abs() < CLOCK_TOLERANCE { 0 } else { offset.as_secs() };
        if self.clock_offset.swap(offset, Ordering::Relaxed) == offset {
            return;
        }
        let (account, region) = (&self.target.account, &self.target.region);
        if offset == 0 {
            tracing::info!(%account, %region, "clock agrees with the API's again");
        } else {
            tracing::warn!(
                %account, %region, offset_seconds = offset,
                "clock differs from the API's; requests are sent with the API's time"
            );
        }
    }
}

/// Exponential pauses with full jitter: up to 0.25 s, 0.5 s, … 8 s, six in all.
fn pauses() -> impl Iterator<Item = Duration> {
    let bounds = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(8))
        .with_factor(2.0)
        .with_max_times(6)
        .build();
    bounds.map(|bound| bound.mul_f64(fastrand::f64()))
}
