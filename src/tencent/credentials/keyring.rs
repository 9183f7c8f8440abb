//! An account's credentials in hand: asked for by all its targets at once, renewed once for them all.
//!
//! Loading happens in a task that the keyring owns and that ends with it. A caller waits for that task only if there are
//! no good credentials, and may stop waiting without harm.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jiff::Timestamp;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{Credentials, Loaded, Source, SourceError};
use crate::{domain::AccountName, tencent::ApiError};

/// How far ahead of their end temporary credentials are renewed, at most: as the official SDK does it.
const AHEAD: Duration = Duration::from_mins(5);

/// How often credentials without an end are read again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The longest pause after a load that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause between two loads that refused credentials force.
const FORCED_PAUSE: Duration = Duration::from_secs(30);

/// An account's credentials. Clones share what is in hand.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    account: AccountName,
    source: Arc<dyn Source>,
    jitter: fn() -> f64,
    on_expiry: Box<dyn Fn(Option<Timestamp>) + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// How often there were others than before.
    generation: u64,
    /// The load that is under way.
    load: Option<Load>,
    /// How the last load failed.
    failure: Option<Failure>,
    /// Until then, refused credentials force no other load.
    forced_until: Option<Instant>,
}

/// Credentials in hand.
struct Held {
    loaded: Loaded,
    /// From then on, others are wanted.
    due: Instant,
    /// Until then, these will do.
    end: Instant,
}

struct Failure {
    error: SourceError,
    /// How many loads in a row have failed.
    attempts: u32,
    /// Until then, the source is left alone.
    rest_until: Instant,
}

type Load = Shared<BoxFuture<'static, Result<Credentials, SourceError>>>;

/// What is known at once, or what must be waited for.
enum Asked<T> {
    Known(Result<T, SourceError>),
    Loading(Load),
}

impl Keyring {
    /// An account's credentials from this source, which is asked when credentials are, and not before.
    ///
    /// `jitter` is drawn from [0, 1), so that accounts do not renew in step. `on_expiry` is told at each load when the
    /// credentials end; `None` for those without an end.
    pub fn new(
        account: AccountName,
        source: impl Source + 'static,
        jitter: fn() -> f64,
        on_expiry: impl Fn(Option<Timestamp>) + Send + Sync + 'static,
    ) -> Self {
        let (source, on_expiry) = (Arc::new(source), Box::new(on_expiry));
        Self(Arc::new(Inner { account, source, jitter, on_expiry, state: Mutex::default() }))
    }

    /// What to sign with now. It is known at once as long as there is something good in hand.
    ///
    /// Errors are [`ApiError::Credentials`]; after one, the source is left alone for up to 30 s, and the error stands.
    /// Dropping the future harms nobody.
    pub async fn current(&self) -> Result<Credentials, ApiError> {
        let result = match self.0.current(Instant::now()) {
            Asked::Known(result) => result,
            Asked::Loading(load) => load.await,
        };
        result.map_err(ApiError::Credentials)
    }

    /// Renews these credentials because the API refused them, and tells whether there are others to try. Nothing is
    /// asked if there are others already, or if there was a renewal for the same reason within the last 30 s.
    ///
    /// Errors are [`ApiError::Credentials`]. Dropping the future does not end the renewal.
    pub async fn renew(&self, refused: &Credentials) -> Result<bool, ApiError> {
        let result = match self.0.renew(refused, Instant::now()) {
            Asked::Known(result) => result,
            Asked::Loading(load) => load.await.map(|credentials| credentials != *refused),
        };
        result.map_err(ApiError::Credentials)
    }

    /// Which credentials are in hand: another number for others.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.lock().generation
    }

    /// Waits until there are other credentials than those of this generation. The source is asked no more often than it
    /// always is.
    pub async fn changed(&self, generation: u64) {
        while self.current().await.is_err() || self.generation() == generation {
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl Inner {
    fn current(self: &Arc<Self>, now: Instant) -> Asked<Credentials> {
        let mut state = self.lock();
        let Some(good) = state.good(now) else { return self.join(&mut state, now) };
        let (credentials, due) = (good.loaded.credentials.clone(), good.due);
        if due <= now {
            // Whatever comes of it: these will do for now.
            self.join(&mut state, now);
        }
        Asked::Known(Ok(credentials))
    }

    fn renew(self: &Arc<Self>, refused: &Credentials, now: Instant) -> Asked<bool> {
        let state = &mut *self.lock();
        if let Some(held) = &mut state.held {
            if held.loaded.credentials != *refused {
                return Asked::Known(Ok(true));
            }
            if state.load.is_none() && state.failure.is_none() {
                if state.forced_until.is_some_and(|until| now < until) {
                    return Asked::Known(Ok(false));
                }
                state.forced_until = Some(now + held.portion(FORCED_PAUSE));
            }
            (held.due, held.end) = (now, now);
        }
        match self.join(state, now) {
            Asked::Known(result) => Asked::Known(result.map(|_| false)),
            Asked::Loading(load) => Asked::Loading(load),
        }
    }

    /// Joins the load that is under way, or starts one, unless the source needs rest.
    fn join(self: &Arc<Self>, state: &mut State, now: Instant) -> Asked<Credentials> {
        let resting = state.failure.as_ref().filter(|failure| now < failure.rest_until);
        match (&state.load, resting) {
            (Some(load), _) => Asked::Loading(load.clone()),
            (None, Some(failure)) => Asked::Known(Err(failure.error.clone())),
            (None, None) => Asked::Loading(state.load.insert(self.load()).clone()),
        }
    }

    /// Asks the source, in a task that goes on when those who wait for it do not.
    fn load(self: &Arc<Self>) -> Load {
        // The keyring owns the task, so the task must not own the keyring.
        let (source, keyring) = (Arc::clone(&self.source), Arc::downgrade(self));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let result = source.load().await;
            match keyring.upgrade() {
                Some(keyring) => keyring.settle(result, Instant::now()),
                None => result.map(|loaded| loaded.credentials),
            }
        });
        let done = async move { task.join_next().await.expect("the task was just started") };
        done.map(|result| result.expect("a load neither panics nor ends before its keyring")).boxed().shared()
    }

    /// Takes in what the source gave, before anyone who waits for it goes on.
    fn settle(&self, result: Result<Loaded, SourceError>, now: Instant) -> Result<Credentials, SourceError> {
        match result {
            Ok(loaded) => Ok(self.accept(loaded, now)),
            Err(error) => Err(self.endure(error, now)),
        }
    }

    fn accept(&self, loaded: Loaded, now: Instant) -> Credentials {
        let Loaded { credentials, origin, expiry } = loaded.clone();
        let held = Held::new(loaded, now, (self.jitter)());
        let (before, failure) = {
            let mut state = self.lock();
            state.load = None;
            let same = state.held.as_ref().is_some_and(|before| before.loaded.credentials == credentials);
            state.generation += u64::from(!same);
            (state.held.replace(held), state.failure.take())
        };
        let expires = expiry.map(|expiry| expiry.time);
        (self.on_expiry)(expires);
        let expires = expires.map(tracing::field::display);
        let account = &self.account;
        if before.is_none_or(|before| before.loaded.origin != origin) {
            tracing::info!(%account, source = origin, expires, "credentials found");
        } else if failure.is_some() {
            tracing::info!(%account, source = origin, expires, "credentials renewed after all");
        } else if expires.is_some() {
            tracing::debug!(%account, source = origin, expires, "credentials renewed");
        }
        credentials
    }

    fn endure(&self, error: SourceError, now: Instant) -> SourceError {
        let (attempts, end) = {
            let mut state = self.lock();
            state.load = None;
            let attempts = state.failure.as_ref().map_or(1, |failure| failure.attempts.saturating_add(1));
            let rest_until = now + pause(attempts, (self.jitter)());
            state.failure = Some(Failure { error: error.clone(), attempts, rest_until });
            (attempts, state.good(now).map(|held| held.end))
        };
        // Without good credentials, those who asked report the error.
        if let Some(end) = end {
            let (account, good_for_seconds) = (&self.account, (end - now).as_secs());
            if attempts == 1 {
                tracing::warn!(%account, %error, good_for_seconds, "credentials not renewed; the old ones are still used");
            } else {
                tracing::debug!(%account, %error, good_for_seconds, attempts, "credentials not renewed again");
            }
        }
        error
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves no change of the state half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn good(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.end)
    }
}

impl Held {
    fn new(loaded: Loaded, now: Instant, jitter: f64) -> Self {
        let mut held = Self { due: now, end: now, loaded };
        held.end = now + held.lifetime();
        held.due = match held.loaded.expiry {
            Some(_) => held.end - held.portion(AHEAD).mul_f64(1.0 - 0.2 * jitter),
            None => held.end,
        };
        held
    }

    /// How long they were good for when they came. Those without an end are good until they are read again.
    fn lifetime(&self) -> Duration {
        self.loaded.expiry.map_or(LOOK_AGAIN, |expiry| expiry.remaining)
    }

    /// A time that suits credentials that live for hours, or a quarter of the life of those that live shorter.
    fn portion(&self, of_long_lived: Duration) -> Duration {
        of_long_lived.min(self.lifetime() / 4)
    }
}

/// Half of 1 s, 2 s, 4 s, … up to 30 s, and a random part of the other half.
fn pause(attempts: u32, jitter: f64) -> Duration {
    let seconds = 1_u64.checked_shl(attempts - 1).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(RETRY_PAUSE).mul_f64(0.5 + 0.5 * jitter)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { account, source, .. } = &*self.0;
        f.debug_struct("Keyring").field("account", account).field("source", source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, io, iter};

    use futures_util::future::join_all;
    use tokio::time::{advance, timeout};
    use tracing::{
        Dispatch,
        subscriber::{DefaultGuard, NoSubscriber, set_default},
    };

    use super::*;
    use crate::{domain::Secret, tencent::credentials::Expiry};

    /// How long a load of the tests' source takes.
    const LOAD: Duration = Duration::from_secs(1);
    const HOURS: Duration = Duration::from_hours(2);
    /// How long credentials that live that long are left alone.
    const UNTIL_DUE: Duration = Duration::from_mins(115);

    /// Returns the given results in turn, then the last one again and again. Each load takes a second.
    #[derive(Debug, Clone, Default)]
    struct Script(Arc<Mutex<Lines>>);

    #[derive(Debug, Default)]
    struct Lines {
        next: VecDeque<Result<Loaded, SourceError>>,
        started: usize,
        ended: usize,
    }

    impl Script {
        fn new(lines: impl IntoIterator<Item = Result<Loaded, SourceError>>) -> Self {
            let script = Self::default();
            script.0.lock().unwrap().next.extend(lines);
            script
        }

        fn keyring(&self) -> Keyring {
            let account = AccountName::new("production").expect("a name");
            Keyring::new(account, self.clone(), || 0.0, |_| {})
        }

        fn started(&self) -> usize {
            self.0.lock().unwrap().started
        }
    }

    impl Source for Script {
        fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
            self.0.lock().unwrap().started += 1;
            async {
                sleep(LOAD).await;
                let mut lines = self.0.lock().unwrap();
                lines.ended += 1;
                let line =
                    if lines.next.len() > 1 { lines.next.pop_front() } else { lines.next.front().cloned() };
                line.expect("a script has a line")
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

    fn lasting(name: &str, remaining: Duration) -> Loaded {
        let time = Timestamp::UNIX_EPOCH + remaining;
        let expiry = Some(Expiry { time, remaining });
        Loaded { credentials: credentials(name), origin: "a script".into(), expiry }
    }

    fn endless(name: &str) -> Loaded {
        Loaded { expiry: None, ..lasting(name, HOURS) }
    }

    fn failure() -> SourceError {
        SourceError::Failed("the script fails; rewrite it".into())
    }

    /// The id of what is in hand, which must be known without waiting.
    fn at_once(keyring: &Keyring) -> Result<String, ApiError> {
        let credentials = keyring.current().now_or_never().expect("known at once")?;
        Ok(credentials.secret_id.expose().to_owned())
    }

    async fn current(keyring: &Keyring) -> Result<String, ApiError> {
        Ok(keyring.current().await?.secret_id.expose().to_owned())
    }

    fn failed() -> Result<String, ApiError> {
        Err(ApiError::Credentials(failure()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_who_ask_at_once_load_once() {
        let script = Script::new([Ok(lasting("one", HOURS))]);
        let keyring = script.keyring();
        let all = join_all(iter::repeat_with(|| current(&keyring)).take(1000)).await;
        assert!(all.iter().all(|id| id.as_deref() == Ok("one")));
        assert_eq!(script.started(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_credentials_are_renewed_five_minutes_ahead_and_nobody_waits() {
        let script = Script::new([Ok(lasting("one", HOURS)), Ok(lasting("two", HOURS))]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        advance(UNTIL_DUE.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(at_once(&keyring).as_deref(), Ok("one"));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(script.started(), 1);
        assert_eq!(at_once(&keyring).as_deref(), Ok("one"));
        sleep(2 * LOAD).await;
        assert_eq!(script.started(), 2);
        assert_eq!(at_once(&keyring).as_deref(), Ok("two"));
    }

    #[test]
    fn jitter_spreads_renewals_over_the_last_five_minutes_but_one_and_a_short_life_is_scaled_down() {
        let now = Instant::now();
        let ahead = |remaining, jitter| {
            let held = Held::new(lasting("one", remaining), now, jitter);
            (held.end - now, (held.end - held.due).as_secs_f64())
        };
        assert_eq!(ahead(HOURS, 0.0), (HOURS, 300.0));
        assert_eq!(ahead(HOURS, 1.0), (HOURS, 240.0));
        let short = Duration::from_secs(2);
        assert_eq!(ahead(short, 0.0), (short, 0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_keeps_the_old_credentials_while_they_last_and_is_tried_again_now_and_then() {
        let script = Script::new([Ok(lasting("one", HOURS)), Err(failure())]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        let end = Instant::now() + HOURS;
        advance(UNTIL_DUE).await;
        while Instant::now() < end {
            assert_eq!(at_once(&keyring).as_deref(), Ok("one"));
            sleep(Duration::from_millis(100)).await;
        }
        // Pauses of 0.5, 1, 2, 4, 8 and then 15 s, a second each for the loads themselves.
        assert_eq!(script.started(), 1 + 5 + 18);
        assert_eq!(at_once(&keyring), failed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_succeeds_after_failures_is_taken() {
        let script = Script::new([
            Ok(lasting("one", HOURS)),
            Err(failure()),
            Err(failure()),
            Ok(lasting("two", HOURS)),
        ]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        advance(UNTIL_DUE).await;
        for _ in 0..100 {
            assert!(at_once(&keyring).is_ok());
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!((at_once(&keyring).as_deref(), script.started()), (Ok("two"), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stands_for_all_who_ask_until_the_source_has_rested() {
        let script = Script::new([Err(failure()), Ok(lasting("one", HOURS))]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await, failed());
        for _ in 0..1000 {
            assert_eq!(at_once(&keyring), failed());
        }
        assert_eq!(script.started(), 1);
        advance(Duration::from_millis(500)).await;
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
    }

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let seconds = |attempts| (pause(attempts, 0.0).as_secs_f64(), pause(attempts, 1.0).as_secs_f64());
        assert_eq!(
            [1, 2, 5, 6, 64, 65, u32::MAX].map(seconds),
            [(0.5, 1.0), (1.0, 2.0), (8.0, 16.0), (15.0, 30.0), (15.0, 30.0), (15.0, 30.0), (15.0, 30.0)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_stops_waiting_loses_nothing_for_the_others() {
        let script = Script::new([Ok(lasting("one", HOURS))]);
        let keyring = script.keyring();
        assert!(timeout(LOAD / 2, keyring.current()).await.is_err());
        sleep(LOAD).await;
        assert_eq!((at_once(&keyring).as_deref(), script.started()), (Ok("one"), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_ends_with_its_keyring() {
        let script = Script::new([Ok(lasting("one", HOURS))]);
        let keyring = script.keyring();
        assert!(timeout(LOAD / 2, keyring.current()).await.is_err());
        drop(keyring);
        sleep(LOAD).await;
        assert_eq!((script.started(), script.0.lock().unwrap().ended), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_refusals_of_the_same_credentials_renew_them_once() {
        let script = Script::new([Ok(lasting("one", HOURS)), Ok(lasting("two", HOURS))]);
        let keyring = script.keyring();
        let refused = keyring.current().await.expect("credentials");
        let all = join_all(iter::repeat_with(|| keyring.renew(&refused)).take(1000)).await;
        assert!(all.iter().all(|others| *others == Ok(true)));
        assert_eq!(keyring.renew(&refused).now_or_never(), Some(Ok(true)));
        assert_eq!((at_once(&keyring).as_deref(), script.started()), (Ok("two"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_given_to_nobody_while_they_are_renewed() {
        let script = Script::new([Ok(lasting("one", HOURS)), Ok(lasting("two", HOURS))]);
        let keyring = script.keyring();
        let refused = keyring.current().await.expect("credentials");
        assert!(timeout(LOAD / 2, keyring.renew(&refused)).await.is_err());
        assert_eq!(current(&keyring).await.as_deref(), Ok("two"));
        assert_eq!(script.started(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_has_no_others_is_asked_for_them_every_half_minute_at_most() {
        let script = Script::new([Ok(lasting("one", HOURS))]);
        let keyring = script.keyring();
        let refused = keyring.current().await.expect("credentials");
        assert_eq!(keyring.renew(&refused).await, Ok(false));
        for _ in 0..100 {
            assert_eq!(keyring.renew(&refused).now_or_never(), Some(Ok(false)));
        }
        assert_eq!(script.started(), 2);
        assert_eq!(at_once(&keyring).as_deref(), Ok("one"));
        sleep(FORCED_PAUSE).await;
        assert_eq!(keyring.renew(&refused).await, Ok(false));
        assert_eq!(script.started(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_that_cannot_be_renewed_are_a_failure_of_their_source() {
        let script = Script::new([Ok(lasting("one", HOURS)), Err(failure()), Ok(lasting("two", HOURS))]);
        let keyring = script.keyring();
        let refused = keyring.current().await.expect("credentials");
        let failure = Err(ApiError::Credentials(failure()));
        assert_eq!(keyring.renew(&refused).await, failure);
        assert_eq!(keyring.renew(&refused).now_or_never(), Some(failure));
        assert_eq!((at_once(&keyring), script.started()), (failed(), 2));
        sleep(LOAD).await;
        assert_eq!(keyring.renew(&refused).await, Ok(true));
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_without_an_end_are_read_again_every_two_seconds_before_they_are_used() {
        let script = Script::new([Ok(endless("one")), Ok(endless("two")), Err(failure())]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        sleep(Duration::from_millis(1999)).await;
        assert_eq!(at_once(&keyring).as_deref(), Ok("one"));
        sleep(Duration::from_mins(10)).await;
        assert_eq!(script.started(), 1, "the source was asked though nobody wanted credentials");
        assert_eq!(current(&keyring).await.as_deref(), Ok("two"));
        sleep(LOOK_AGAIN).await;
        assert_eq!(current(&keyring).await, failed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_within_seconds() {
        let lines = iter::repeat_n(Ok(endless("one")), 3).chain([Err(failure()), Ok(endless("two"))]);
        let script = Script::new(lines);
        let keyring = script.keyring();
        let start = Instant::now();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        join_all(iter::repeat_with(|| keyring.changed(keyring.generation())).take(20)).await;
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!((at_once(&keyring).as_deref(), script.started()), (Ok("two"), 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_came_before_the_wait_ends_it_at_once() {
        let script = Script::new([Ok(endless("one")), Ok(endless("two"))]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        let refused = keyring.generation();
        sleep(LOOK_AGAIN).await;
        assert_eq!(current(&keyring).await.as_deref(), Ok("two"));
        let start = Instant::now();
        keyring.changed(refused).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_change_of_temporary_credentials_asks_nothing() {
        let script = Script::new([Ok(lasting("one", HOURS)), Ok(lasting("two", HOURS))]);
        let keyring = script.keyring();
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        let generation = keyring.generation();
        assert!(timeout(UNTIL_DUE, keyring.changed(generation)).await.is_err());
        assert_eq!(script.started(), 1);
        keyring.changed(generation).await;
        assert_eq!((at_once(&keyring).as_deref(), script.started()), (Ok("two"), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_credentials_is_told_at_each_load() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let script = Script::new([Ok(lasting("one", Duration::from_secs(2))), Ok(endless("two"))]);
        let account = AccountName::new("production").expect("a name");
        let ear = Arc::clone(&told);
        let keyring = Keyring::new(account, script, || 0.0, move |end| ear.lock().unwrap().push(end));
        assert_eq!(current(&keyring).await.as_deref(), Ok("one"));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(current(&keyring).await.as_deref(), Ok("two"));
        assert_eq!(*told.lock().unwrap(), [Timestamp::from_second(2).ok(), None]);
    }

    /// What is logged, for a test to read.
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
            // With one subscriber alone, an event that another thread is first to reach is never logged.
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
    async fn the_log_says_where_credentials_come_from_and_again_only_when_that_changes() {
        let other = Loaded { origin: "elsewhere".into(), ..endless("two") };
        let keyring = Script::new([Ok(endless("one")), Ok(endless("two")), Ok(other)]).keyring();
        let log = Log::default();
        let _kept = log.keep();
        for _ in 0..4 {
            keyring.current().await.expect("credentials");
            sleep(LOOK_AGAIN).await;
        }
        assert_eq!(
            log.lines(),
            [
                r#"INFO credentials found account=production source="a script""#,
                r#"INFO credentials found account=production source="elsewhere""#,
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_renewal_is_warned_of_once_and_its_success_is_told() {
        let fails = iter::repeat_n(Err(failure()), 3);
        let script = Script::new(
            iter::once(Ok(lasting("one", HOURS))).chain(fails).chain([Ok(lasting("two", HOURS))]),
        );
        let keyring = script.keyring();
        keyring.current().await.expect("credentials");
        advance(UNTIL_DUE).await;
        let log = Log::default();
        let _kept = log.keep();
        for _ in 0..100 {
            keyring.current().await.expect("credentials");
            sleep(Duration::from_millis(100)).await;
        }
        let found = [
            "WARN credentials not renewed; the old ones are still used account=production \
             error=the script fails; rewrite it good_for_seconds=",
            r#"INFO credentials renewed after all account=production source="a script" expires=1970-01-01T02:00:00Z"#,
        ];
        assert_eq!(log.lines(), found);
    }

    #[tokio::test(start_paused = true)]
    async fn debug_shows_no_secret() {
        let keyring = Script::new([Ok(lasting("one", HOURS))]).keyring();
        current(&keyring).await.expect("credentials");
        let text = format!("{keyring:?}");
        assert!(text.contains("production") && !text.contains("SECRET"), "{text}");
    }
}
