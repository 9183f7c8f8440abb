//! What one connection is doing, since when, and until when it may: the judgement of idle, dripping and slow clients.
//!
//! Knows nothing of HTTP's syntax or of sockets; it is told what happens on the connection.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Limits, places::Place};

/// How long a client that was told to go may take to hang up.
const LINGER: Duration = Duration::from_secs(1);

/// How long a scrape may hold its place while others want one.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// How long it may hold it while its client takes no bytes at all.
const STANDSTILL: Duration = Duration::from_millis(100);

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    cut: CancellationToken,
}

#[derive(Debug)]
struct State {
    /// Since when the client has had nothing to wait for: the connection's start, or the end of its last answer.
    waiting_since: Instant,
    /// Until when a request's head that has begun must be whole.
    head_due: Option<Instant>,
    /// Whether bytes from a waiting client begin a head. In HTTP/2 they may as well be housekeeping.
    bytes_begin_heads: bool,
    /// Since when the client has taken none of the bytes that are ready for it.
    blocked_since: Option<Instant>,
    /// The answers that are being made or written.
    answers: Vec<Running>,
    answers_begun: u64,
}

#[derive(Debug)]
struct Running {
    number: u64,
    since: Instant,
    place: Option<Place>,
}

impl Activity {
    /// A connection that has just been accepted: its first request is due at once, TLS handshake included.
    pub(super) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                waiting_since: now,
                head_due: Some(now + limits.header_timeout),
                bytes_begin_heads: true,
                blocked_since: None,
                answers: Vec::new(),
                answers_begun: 0,
            }),
            cut: CancellationToken::new(),
        }
    }

    /// The connection turned out to speak HTTP/2.
    pub(super) fn speaks_http2(&self) {
        self.state().bytes_begin_heads = false;
    }

    /// The client sent bytes.
    pub(super) fn received(&self, limits: &Limits) {
        let mut state = self.state();
        if state.bytes_begin_heads && state.answers.is_empty() && state.head_due.is_none() {
            state.head_due = Some(Instant::now() + limits.header_timeout);
        }
    }

    /// The client took bytes.
    pub(super) fn sent(&self) {
        self.state().blocked_since = None;
    }

    /// Bytes are ready, and the client takes none.
    pub(super) fn blocked(&self) {
        self.state().blocked_since.get_or_insert_with(Instant::now);
    }

    /// We have said all we will: the client should hang up.
    pub(super) fn closing(&self) {
        let mut state = self.state();
        state.bytes_begin_heads = false;
        state.head_due = Some(Instant::now() + LINGER);
    }

    /// A request's head is whole; its answer is in flight until the value returned is dropped.
    pub(super) fn begin_answer(self: &Arc<Self>) -> Answering {
        let mut state = self.state();
        let number = state.answers_begun;
        state.answers_begun += 1;
        state.head_due = None;
        state.answers.push(Running { number, since: Instant::now(), place: None });
        Answering { activity: self.clone(), number }
    }

    /// When the connection must be cut if nothing changes.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let state = self.state();
        let due = match state.oldest_answer() {
            Some(since) => since + limits.answer_timeout,
            None => state.head_due.unwrap_or(state.waiting_since + limits.idle_timeout),
        };
        state.blocked_since.map_or(due, |since| due.min(since + limits.stall_timeout))
    }

    /// Whether an answer is in flight, its last bytes included.
    pub(super) fn is_answering(&self) -> bool {
        let state = self.state();
        !state.answers.is_empty() || state.blocked_since.is_some()
    }

    /// Whether bytes are ready that the client does not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.state().blocked_since.is_some()
    }

    /// Which connection to give up first: the lowest. The idle and the dripping go before the answering, the old
    /// before the young.
    pub(super) fn worth(&self) -> (bool, Instant) {
        let state = self.state();
        state.oldest_answer().map_or((false, state.waiting_since), |since| (true, since))
    }

    /// Since when it has held a place among the concurrent scrapes, if it is too slow to keep it while others want one.
    pub(super) fn slow_since(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let holding = state.answers.iter().filter(|answer| answer.place.is_some());
        let since = holding.map(|answer| answer.since).min()?;
        let stands_still = state.blocked_since.is_some_and(|since| now - since >= STANDSTILL);
        let is_slow = stands_still || now - since >= UNDISTURBED;
        (is_slow && !self.cut.is_cancelled()).then_some(since)
    }

    /// Ends the connection at once.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until the connection is to be ended at once.
    pub(super) async fn until_cut(&self) {
        self.cut.cancelled().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn oldest_answer(&self) -> Option<Instant> {
        self.answers.iter().map(|answer| answer.since).min()
    }
}

/// An answer in flight.
#[derive(Debug)]
pub(super) struct Answering {
    activity: Arc<Activity>,
    number: u64,
}

impl Answering {
    /// Keeps a place among the concurrent scrapes until the answer is written.
    pub(super) fn take(&self, place: Place) {
        let mut state = self.activity.state();
        let answer = state.answers.iter_mut().find(|answer| answer.number == self.number);
        answer.expect("an answer is listed until it is dropped").place = Some(place);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.answers.retain(|answer| answer.number != self.number);
        state.waiting_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const LIMITS: Limits = Limits {
        scrapes: 1,
        place_timeout: SECOND,
        connections: 1,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(300),
        answer_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_millis(1500),
    };

    /// In how many seconds the connection will be cut.
    fn left(activity: &Activity) -> u64 {
        (activity.deadline(&LIMITS) - Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn first_request_is_due_at_once_and_later_ones_when_they_begin() {
        let activity = Arc::new(Activity::new(&LIMITS));
        assert_eq!(left(&activity), 10);
        drop(activity.begin_answer());
        assert_eq!(left(&activity), 300);
        advance(100 * SECOND).await;
        activity.received(&LIMITS);
        assert_eq!(left(&activity), 10);
        advance(SECOND).await;
        activity.received(&LIMITS);
        assert_eq!(left(&activity), 9, "more of it is no new beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn housekeeping_of_http2_begins_no_request_and_keeps_nothing_open() {
        let activity = Arc::new(Activity::new(&LIMITS));
        activity.speaks_http2();
        drop(activity.begin_answer());
        advance(100 * SECOND).await;
        activity.received(&LIMITS);
        assert_eq!(left(&activity), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_of_several_answers_sets_the_deadline() {
        let activity = Arc::new(Activity::new(&LIMITS));
        let first = activity.begin_answer();
        advance(10 * SECOND).await;
        let second = activity.begin_answer();
        assert_eq!(left(&activity), 50);
        drop(first);
        assert_eq!(left(&activity), 60);
        assert!(activity.is_answering());
        drop(second);
        assert!(!activity.is_answering());
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_takes_nothing_has_less_time_than_one_that_takes_little() {
        let activity = Arc::new(Activity::new(&LIMITS));
        let _answering = activity.begin_answer();
        activity.blocked();
        advance(4 * SECOND).await;
        activity.blocked();
        assert_eq!(left(&activity), 1, "it has been blocked from the first time on");
        activity.sent();
        assert_eq!(left(&activity), 56);
    }

    #[tokio::test(start_paused = true)]
    async fn dripping_connection_is_worth_less_than_a_younger_or_an_answering_one() {
        let dripping = Arc::new(Activity::new(&LIMITS));
        let answering = Arc::new(Activity::new(&LIMITS));
        let _answer = answering.begin_answer();
        advance(SECOND).await;
        dripping.received(&LIMITS);
        let young = Arc::new(Activity::new(&LIMITS));
        assert!(dripping.worth() < young.worth());
        assert!(young.worth() < answering.worth());
    }
}
