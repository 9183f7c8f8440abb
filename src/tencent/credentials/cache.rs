//! An account's credentials: loaded once for all callers, and renewed before they expire.
//!
//! One task loads them from the source and publishes them. Callers wait for it only while there are no valid credentials.
//! Cancelling a caller does not cancel the load.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::source::{Credentials, Loaded, Source, SourceError};
use crate::{domain::target::AccountName, tencent::error::ApiError};

/// Temporary credentials are renewed at most this long before they expire. The official SDK does the same.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// How often permanent credentials are read again.
const REREAD_INTERVAL: Duration = Duration::from_secs(2);

/// The maximum pause after a failed load.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The minimum pause between two forced renewals (after the API refused the credentials). It is shorter for short-lived
/// credentials.
const FORCED_PAUSE: Duration = Duration::from_secs(30);

/// An account's credentials. The source is loaded only when a caller needs them.
pub struct CredentialCache {
    shared: Arc<Shared>,
    /// The task that loads the source. It ends when the cache is dropped.
    _loader: JoinSet<()>,
}

struct Shared {
    account: AccountName,
    source: Box<dyn Source>,
    jitter: fn() -> f64,
    on_load: Box<dyn Fn(Option<Timestamp>) + Send + Sync>,
    state: watch::Sender<CacheState>,
    /// Wakes the loader.
    needed: Notify,
}

#[derive(Default)]
struct CacheState {
    cached: Option<Cached>,
    /// Increases when the credentials change. A forced renewal of temporary credentials always returns new ones, so it is not
    /// counted, unless it failed at first or they have another origin.
    generation: u64,
    /// The cached credentials were refused, and not replaced yet.
    is_refused: bool,
    /// The failure of the last load.
    failure: Option<LoadFailure>,
    /// The next forced renewal is at this time or later.
    forced_until: Option<Instant>,
}

struct Cached {
    loaded: Loaded,
    /// The credentials are renewed at this time or later.
    due: Instant,
    /// The credentials are used until this time.
    end: Instant,
}

struct LoadFailure {
    error: SourceError,
    /// The number of consecutive failures.
    attempts: u32,
    /// The next load is at this time or later.
    retry_at: Instant,
}

impl CredentialCache {
    /// Caches the credentials of a source. This must run within a Tokio runtime.
    ///
    /// `jitter` returns numbers from [0, 1), so that accounts do not renew at the same time. `on_load` receives the
    /// expiry of the credentials after each load; `None` if they do not expire.
    pub fn new(
        account: AccountName,
        source: impl Source + 'static,
        jitter: fn() -> f64,
        on_load: impl Fn(Option<Timestamp>) + Send + Sync + 'static,
    ) -> Self {
        let (source, on_load) = (Box::new(source), Box::new(on_load));
        let (state, needed) = (watch::Sender::default(), Notify::new());
        let shared = Arc::new(Shared { account, source, jitter, on_load, state, needed });
        let mut loader = JoinSet::new();
        loader.spawn(Arc::clone(&shared).load_when_needed());
        Self { shared, _loader: loader }
    }

    /// The credentials to sign with. Returns immediately if there are valid ones.
    ///
    /// Errors are [`ApiError::Credentials`]. After a failed load, the same error is returned for up to 30 s, and then the
    /// source is loaded again.
    pub async fn current(&self) -> Result<Credentials, ApiError> {
        let mut state = self.shared.state.subscribe();
        loop {
            let (known, needs_load) = {
                let (state, now) = (state.borrow_and_update(), Instant::now());
                (state.known(now), state.needs_load(now))
            };
            if needs_load {
                self.shared.needed.notify_one();
            }
            if let Some(result) = known {
                return result.map_err(ApiError::Credentials);
            }
            state.changed().await.expect("the cache owns the sender");
        }
    }

    /// Renews these credentials because the API refused them. Returns whether other credentials are available.
    ///
    /// Loads nothing if the credentials were already replaced, or if the last forced renewal was less than 30 s ago.
    pub async fn renew(&self, refused: &Credentials) -> Result<bool, ApiError> {
        self.shared.state.send_if_modified(|state| state.invalidate(refused, Instant::now()));
        Ok(self.current().await? != *refused)
    }

    /// The generation of the current credentials. It increases when the credentials change, but not when refused temporary
    /// ones are renewed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.state.borrow().generation
    }

    /// Waits until the credentials have another generation. The source is not loaded more often than usual.
    pub async fn changed(&self, generation: u64) {
        while self.current().await.is_err() || self.generation() == generation {
            sleep(REREAD_INTERVAL).await;
        }
    }
}

impl Shared {
    async fn load_when_needed(self: Arc<Self>) {
        loop {
            self.needed.notified().await;
            // The load that just ended may have been enough.
            if self.state.borrow().needs_load(Instant::now()) {
                match self.source.load().await {
                    Ok(loaded) => self.on_load(loaded, Instant::now()),
                    Err(error) => self.on_failure(&error, Instant::now()),
                }
            }
        }
    }

    fn on_load(&self, loaded: Loaded, now: Instant) {
        let (origin, expires) = (loaded.origin.clone(), loaded.expiry.map(|expiry| expiry.time));
        let cached = Cached::new(loaded, now, (self.jitter)());
        (self.on_load)(expires);
        let (mut before, mut failure) = (None, None);
        self.state.send_modify(|state| {
            before = state.cached.replace(cached);
            failure = state.failure.take();
            let is_replaced = before.as_ref().is_some_and(|before| !state.has(&before.loaded.credentials));
            let is_same_origin = before.as_ref().is_some_and(|before| before.loaded.origin == origin);
            let is_expected = std::mem::take(&mut state.is_refused) && expires.is_some() && is_same_origin;
            state.generation += u64::from(is_replaced && !is_expected);
        });
        let (account, expires) = (&self.account, expires.map(tracing::field::display));
        if before.is_none_or(|before| before.loaded.origin != origin) {
            tracing::info!(%account, source = origin, expires, "credentials found");
        } else if failure.is_some() {
            tracing::info!(%account, source = origin, expires, "credentials renewed after failures");
        } else if expires.is_some() {
            tracing::debug!(%account, source = origin, expires, "credentials renewed");
        }
    }

    fn on_failure(&self, error: &SourceError, now: Instant) {
        let (mut attempts, mut end) = (1_u32, None);
        self.state.send_modify(|state| {
            attempts = state.failure.as_ref().map_or(1, |failure| failure.attempts.saturating_add(1));
            let retry_at = now + retry_pause(attempts, (self.jitter)());
            state.failure = Some(LoadFailure { error: error.clone(), attempts, retry_at });
            state.is_refused = false;
            end = state.valid(now).map(|cached| cached.end);
        });
        // Without valid credentials, the callers report the error.
        let Some(end) = end else { return };
        let (account, good_for_seconds) = (&self.account, (end - now).as_secs());
        if attempts == 1 {
            tracing::warn!(%account, %error, good_for_seconds, "credentials not renewed; the old ones are still used");
        } else {
            tracing::debug!(%account, %error, good_for_seconds, attempts, "credentials not renewed again");
        }
    }
}

impl CacheState {
    /// The result for a caller, if it needs no load.
    fn known(&self, now: Instant) -> Option<Result<Credentials, SourceError>> {
        match self.valid(now) {
            Some(cached) => Some(Ok(cached.loaded.credentials.clone())),
            None => self.recent_failure(now).map(|failure| Err(failure.error.clone())),
        }
    }

    fn needs_load(&self, now: Instant) -> bool {
        self.recent_failure(now).is_none() && self.cached.as_ref().is_none_or(|cached| cached.due <= now)
    }

    fn valid(&self, now: Instant) -> Option<&Cached> {
        self.cached.as_ref().filter(|cached| now < cached.end)
    }

    fn recent_failure(&self, now: Instant) -> Option<&LoadFailure> {
        self.failure.as_ref().filter(|failure| now < failure.retry_at)
    }

    fn has(&self, credentials: &Credentials) -> bool {
        self.cached.as_ref().is_some_and(|cached| cached.loaded.credentials == *credentials)
    }

    /// Marks refused credentials as expired, unless they were already replaced or the last forced renewal is too recent.
    fn invalidate(&mut self, refused: &Credentials, now: Instant) -> bool {
        let is_too_soon = self.forced_until.is_some_and(|until| now < until);
        if is_too_soon || !self.has(refused) {
            return false;
        }
        if let Some(cached) = &mut self.cached {
            self.forced_until = Some(now + cached.limited(FORCED_PAUSE));
            (cached.due, cached.end) = (now, now);
            self.is_refused = true;
        }
        true
    }
}

impl Cached {
    fn new(loaded: Loaded, now: Instant, jitter: f64) -> Self {
        let mut cached = Self { due: now, end: now, loaded };
        cached.end = now + cached.lifetime();
        cached.due = match cached.loaded.expiry {
            Some(_) => cached.end - cached.limited(RENEW_AHEAD).mul_f64(1.0 - 0.2 * jitter),
            None => cached.end,
        };
        cached
    }

    /// How long the credentials are used after the load.
    fn lifetime(&self) -> Duration {
        self.loaded.expiry.map_or(REREAD_INTERVAL, |expiry| expiry.remaining)
    }

    /// Limits a duration to a quarter of the credentials' lifetime.
    fn limited(&self, duration: Duration) -> Duration {
        duration.min(self.lifetime() / 4)
    }
}

/// Exponential backoff from 1 s to 30 s with jitter: half of the pause is fixed, the other half is random.
fn retry_pause(attempts: u32, jitter: f64) -> Duration {
    let seconds = 1_u64.checked_shl(attempts - 1).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(MAX_RETRY_PAUSE).mul_f64(0.5 + 0.5 * jitter)
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { account, source, .. } = &*self.shared;
        f.debug_struct("CredentialCache")
            .field("account", account)
            .field("source", source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io, iter, sync::Mutex};

    use futures_util::{
        FutureExt,
        future::{BoxFuture, join_all},
    };
    use tokio::time::{advance, timeout};
    use tracing::{
        Dispatch,
        subscriber::{DefaultGuard, NoSubscriber, set_default},
    };

    use super::*;
    use crate::{domain::secret::Secret, tencent::credentials::source::Expiry};

    /// How long a load of the fake source takes.
    const LOAD: Duration = Duration::from_secs(1);
    const TWO_HOURS: Duration = Duration::from_hours(2);
    /// How long credentials with that lifetime are used before the renewal.
    const UNTIL_RENEWAL: Duration = Duration::from_mins(115);

    /// Returns the given results in order, and repeats the last one. Each load takes a second.
    #[derive(Debug, Clone, Default)]
    struct FakeSource(Arc<Mutex<Responses>>);

    #[derive(Debug, Default)]
    struct Responses {
        next: VecDeque<Result<Loaded, SourceError>>,
        started: usize,
        ended: usize,
    }

    impl FakeSource {
        fn new(responses: impl IntoIterator<Item = Result<Loaded, SourceError>>) -> Self {
            let source = Self::default();
            source.0.lock().unwrap().next.extend(responses);
            source
        }

        fn cache(&self) -> CredentialCache {
            let account = AccountName::new("production").expect("a name");
            CredentialCache::new(account, self.clone(), || 0.0, |_| {})
        }

        fn started(&self) -> usize {
            self.0.lock().unwrap().started
        }
    }

    impl Source for FakeSource {
        fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
            self.0.lock().unwrap().started += 1;
            async {
                sleep(LOAD).await;
                let mut responses = self.0.lock().unwrap();
                responses.ended += 1;
                let response = if responses.next.len() > 1 {
                    responses.next.pop_front()
                } else {
                    responses.next.front().cloned()
                };
                response.expect("a fake source has a response")
            }
            .boxed()
        }
    }

    fn credentials(name: &str) -> Credentials {
        Credentials {
            secret_id: Secret::new(name),
            secret_key: Secret::new("SECRET-key"),
            token: Some(Secret::new("SECRET-token")),
        }
    }

    fn expiring(name: &str, remaining: Duration) -> Loaded {
        let time = Timestamp::UNIX_EPOCH + remaining;
        let expiry = Some(Expiry { time, remaining });
        Loaded { credentials: credentials(name), origin: "a fake source".into(), expiry }
    }

    fn permanent(name: &str) -> Loaded {
        Loaded { expiry: None, ..expiring(name, TWO_HOURS) }
    }

    fn failure() -> SourceError {
        SourceError::Failed("the fake source fails".into())
    }

    /// The id of the credentials. They must be available without waiting.
    fn current_without_wait(cache: &CredentialCache) -> Result<String, ApiError> {
        let credentials = cache.current().now_or_never().expect("available without waiting")?;
        Ok(credentials.secret_id.expose().to_owned())
    }

    async fn current(cache: &CredentialCache) -> Result<String, ApiError> {
        Ok(cache.current().await?.secret_id.expose().to_owned())
    }

    fn failed() -> Result<String, ApiError> {
        Err(ApiError::Credentials(failure()))
    }

    #[tokio::test(start_paused = true)]
    async fn thousand_callers_load_once() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS))]);
        let cache = source.cache();
        let all = join_all(iter::repeat_with(|| current(&cache)).take(1000)).await;
        assert!(all.iter().all(|id| id.as_deref() == Ok("one")));
        assert_eq!(source.started(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn early_renewal_delays_no_caller() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        advance(UNTIL_RENEWAL.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(current_without_wait(&cache).as_deref(), Ok("one"));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(source.started(), 1);
        assert_eq!(current_without_wait(&cache).as_deref(), Ok("one"));
        sleep(2 * LOAD).await;
        assert_eq!(source.started(), 2);
        assert_eq!(current_without_wait(&cache).as_deref(), Ok("two"));
    }

    #[test]
    fn jitter_spreads_renewals() {
        let now = Instant::now();
        let ahead = |remaining, jitter| {
            let cached = Cached::new(expiring("one", remaining), now, jitter);
            (cached.end - now, (cached.end - cached.due).as_secs_f64())
        };
        assert_eq!(ahead(TWO_HOURS, 0.0), (TWO_HOURS, 300.0));
        assert_eq!(ahead(TWO_HOURS, 1.0), (TWO_HOURS, 240.0));
        let short = Duration::from_secs(2);
        assert_eq!(ahead(short, 0.0), (short, 0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_renewal_keeps_good_credentials() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Err(failure())]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        let end = Instant::now() + TWO_HOURS;
        advance(UNTIL_RENEWAL).await;
        while Instant::now() < end {
            assert_eq!(current_without_wait(&cache).as_deref(), Ok("one"));
            sleep(Duration::from_millis(100)).await;
        }
        // Pauses of 0.5, 1, 2, 4, 8 and then 15 s, a second each for the loads themselves.
        assert_eq!(source.started(), 1 + 5 + 18);
        assert_eq!(current_without_wait(&cache), failed());
    }

    #[tokio::test(start_paused = true)]
    async fn renewal_succeeds_after_failures() {
        let source = FakeSource::new([
            Ok(expiring("one", TWO_HOURS)),
            Err(failure()),
            Err(failure()),
            Ok(expiring("two", TWO_HOURS)),
        ]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        advance(UNTIL_RENEWAL).await;
        for _ in 0..100 {
            assert!(current_without_wait(&cache).is_ok());
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((current_without_wait(&cache).as_deref(), source.started()), (Ok("two"), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn failure_is_repeated_until_the_pause_ends() {
        let source = FakeSource::new([Err(failure()), Ok(expiring("one", TWO_HOURS))]);
        let cache = source.cache();
        assert_eq!(current(&cache).await, failed());
        for _ in 0..1000 {
            assert_eq!(current_without_wait(&cache), failed());
        }
        assert_eq!(source.started(), 1);
        advance(Duration::from_millis(500)).await;
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
    }

    #[test]
    fn retry_pauses_grow_to_half_a_minute() {
        let seconds =
            |attempts| (retry_pause(attempts, 0.0).as_secs_f64(), retry_pause(attempts, 1.0).as_secs_f64());
        assert_eq!(
            [1, 2, 5, 6, 64, 65, u32::MAX].map(seconds),
            [(0.5, 1.0), (1.0, 2.0), (8.0, 16.0), (15.0, 30.0), (15.0, 30.0), (15.0, 30.0), (15.0, 30.0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_caller_does_not_stop_the_load() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS))]);
        let cache = source.cache();
        assert!(timeout(LOAD / 2, cache.current()).await.is_err());
        sleep(LOAD).await;
        assert_eq!((current_without_wait(&cache).as_deref(), source.started()), (Ok("one"), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_cache_stops_its_load() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS))]);
        let cache = source.cache();
        assert!(timeout(LOAD / 2, cache.current()).await.is_err());
        drop(cache);
        sleep(LOAD).await;
        assert_eq!((source.started(), source.0.lock().unwrap().ended), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn thousand_refusals_renew_once() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        let refused = cache.current().await.expect("credentials");
        let all = join_all(iter::repeat_with(|| cache.renew(&refused)).take(1000)).await;
        assert!(all.iter().all(|others| *others == Ok(true)));
        assert_eq!(cache.renew(&refused).now_or_never(), Some(Ok(true)));
        assert_eq!((current_without_wait(&cache).as_deref(), source.started()), (Ok("two"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_not_used_again() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        let refused = cache.current().await.expect("credentials");
        assert!(timeout(LOAD / 2, cache.renew(&refused)).await.is_err());
        assert_eq!(current(&cache).await.as_deref(), Ok("two"));
        assert_eq!(source.started(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn forced_renewals_are_half_a_minute_apart() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS))]);
        let cache = source.cache();
        let refused = cache.current().await.expect("credentials");
        assert_eq!(cache.renew(&refused).await, Ok(false));
        for _ in 0..100 {
            assert_eq!(cache.renew(&refused).now_or_never(), Some(Ok(false)));
        }
        assert_eq!(source.started(), 2);
        assert_eq!(current_without_wait(&cache).as_deref(), Ok("one"));
        sleep(FORCED_PAUSE).await;
        assert_eq!(cache.renew(&refused).await, Ok(false));
        assert_eq!(source.started(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn forced_renewal_of_temporary_credentials_is_no_change() {
        for (first, second, change) in [
            (expiring("one", TWO_HOURS), expiring("two", TWO_HOURS), 0),
            (permanent("one"), permanent("two"), 1),
        ] {
            let cache = FakeSource::new([Ok(first), Ok(second)]).cache();
            let refused = cache.current().await.expect("credentials");
            let before = cache.generation();
            assert!(cache.renew(&refused).await.expect("credentials"));
            assert_eq!(cache.generation() - before, change);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn forced_renewal_from_another_origin_is_a_change() {
        let other = Loaded { origin: "role/other".to_owned(), ..expiring("two", TWO_HOURS) };
        let cache = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Ok(other)]).cache();
        let refused = cache.current().await.expect("credentials");
        let before = cache.generation();
        assert_eq!(cache.renew(&refused).await, Ok(true));
        assert_eq!(cache.generation(), before + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn success_after_failed_forced_renewal_is_a_change() {
        let source =
            FakeSource::new([Ok(expiring("one", TWO_HOURS)), Err(failure()), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        let refused = cache.current().await.expect("credentials");
        let before = cache.generation();
        assert!(cache.renew(&refused).await.is_err());
        timeout(TWO_HOURS, cache.changed(before)).await.expect("a change");
        assert_eq!((current_without_wait(&cache).as_deref(), cache.generation()), (Ok("two"), before + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_forced_renewal_is_an_error() {
        let source =
            FakeSource::new([Ok(expiring("one", TWO_HOURS)), Err(failure()), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        let refused = cache.current().await.expect("credentials");
        let failure = Err(ApiError::Credentials(failure()));
        assert_eq!(cache.renew(&refused).await, failure);
        assert_eq!(cache.renew(&refused).now_or_never(), Some(failure));
        assert_eq!((current_without_wait(&cache), source.started()), (failed(), 2));
        sleep(LOAD).await;
        assert_eq!(cache.renew(&refused).await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_without_expiry_are_reread_before_use() {
        let source = FakeSource::new([Ok(permanent("one")), Ok(permanent("two")), Err(failure())]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        sleep(Duration::from_millis(1999)).await;
        assert_eq!(current_without_wait(&cache).as_deref(), Ok("one"));
        sleep(Duration::from_mins(10)).await;
        assert_eq!(source.started(), 1, "the source was loaded although no caller needed credentials");
        assert_eq!(current(&cache).await.as_deref(), Ok("two"));
        sleep(REREAD_INTERVAL).await;
        assert_eq!(current(&cache).await, failed());
    }

    #[tokio::test(start_paused = true)]
    async fn change_is_seen_within_seconds() {
        let responses = iter::repeat_n(Ok(permanent("one")), 3).chain([Err(failure()), Ok(permanent("two"))]);
        let source = FakeSource::new(responses);
        let cache = source.cache();
        let start = Instant::now();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        join_all(iter::repeat_with(|| cache.changed(cache.generation())).take(20)).await;
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!((current_without_wait(&cache).as_deref(), source.started()), (Ok("two"), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn earlier_change_ends_the_wait() {
        let source = FakeSource::new([Ok(permanent("one")), Ok(permanent("two"))]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        let refused = cache.generation();
        sleep(REREAD_INTERVAL).await;
        assert_eq!(current(&cache).await.as_deref(), Ok("two"));
        let start = Instant::now();
        cache.changed(refused).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_change_loads_nothing() {
        let source = FakeSource::new([Ok(expiring("one", TWO_HOURS)), Ok(expiring("two", TWO_HOURS))]);
        let cache = source.cache();
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        let generation = cache.generation();
        assert!(timeout(UNTIL_RENEWAL, cache.changed(generation)).await.is_err());
        assert_eq!(source.started(), 1);
        cache.changed(generation).await;
        assert_eq!((current_without_wait(&cache).as_deref(), source.started()), (Ok("two"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn expiry_of_credentials_is_reported() {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let source = FakeSource::new([Ok(expiring("one", Duration::from_secs(2))), Ok(permanent("two"))]);
        let account = AccountName::new("production").expect("a name");
        let ends = Arc::clone(&reported);
        let cache = CredentialCache::new(account, source, || 0.0, move |end| ends.lock().unwrap().push(end));
        assert_eq!(current(&cache).await.as_deref(), Ok("one"));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(current(&cache).await.as_deref(), Ok("two"));
        assert_eq!(*reported.lock().unwrap(), [Timestamp::from_second(2).ok(), None]);
    }

    /// The log, for a test to read.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        /// Begins to log from here on, without times and targets.
        fn keep(&self) -> (DefaultGuard, Dispatch) {
            let log = self.clone();
            let format = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
            // With only one subscriber, an event that another thread emits first is never logged.
            let second = Dispatch::new(NoSubscriber::default());
            (set_default(format.with_writer(move || log.clone()).finish()), second)
        }

        /// The lines, without a number at their end.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).expect("text");
            text.lines().map(|line| line.trim().trim_end_matches(char::is_numeric).to_owned()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn source_is_logged_when_it_changes() {
        let other = Loaded { origin: "elsewhere".into(), ..permanent("two") };
        let cache = FakeSource::new([Ok(permanent("one")), Ok(permanent("two")), Ok(other)]).cache();
        let log = Log::default();
        let _kept = log.keep();
        for _ in 0..4 {
            cache.current().await.expect("credentials");
            sleep(REREAD_INTERVAL).await;
        }
        assert_eq!(
            log.lines(),
            [
                r#"INFO credentials found account=production source="a fake source""#,
                r#"INFO credentials found account=production source="elsewhere""#,
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failing_renewal_is_logged_once() {
        let fails = iter::repeat_n(Err(failure()), 3);
        let source = FakeSource::new(
            iter::once(Ok(expiring("one", TWO_HOURS))).chain(fails).chain([Ok(expiring("two", TWO_HOURS))]),
        );
        let cache = source.cache();
        cache.current().await.expect("credentials");
        advance(UNTIL_RENEWAL).await;
        let log = Log::default();
        let _kept = log.keep();
        for _ in 0..100 {
            cache.current().await.expect("credentials");
            sleep(Duration::from_millis(100)).await;
        }
        let found = [
            "WARN credentials not renewed; the old ones are still used account=production \
             error=the fake source fails good_for_seconds=",
            r#"INFO credentials renewed after failures account=production source="a fake source" expires=1970-01-01T02:00:00Z"#,
        ];
        assert_eq!(log.lines(), found);
    }

    #[tokio::test(start_paused = true)]
    async fn debug_shows_no_secret() {
        let cache = FakeSource::new([Ok(expiring("one", TWO_HOURS))]).cache();
        current(&cache).await.expect("credentials");
        let text = format!("{cache:?}");
        assert!(text.contains("production") && !text.contains("SECRET"), "{text}");
    }
}
