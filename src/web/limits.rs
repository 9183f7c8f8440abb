//! What clients may use up.

use std::time::Duration;

/// How much of the server clients may take, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `--web.max-requests`: scrapes and pages that are answered at once; 0 for no limit.
    pub scrapes: usize,
    /// How long one more waits for its turn before it is sent away.
    pub place_timeout: Duration,
    /// Connections at once. One more displaces the one that has been idle, dripping or slow the longest.
    pub connections: usize,
    /// From a request's first byte to the end of its head; for a connection's first request, TLS handshake included,
    /// from the connection's start.
    pub header_timeout: Duration,
    /// From an answer to the next request. Longer than most scrape intervals, so that Prometheus keeps its connection.
    pub idle_timeout: Duration,
    /// From a request's head to the last byte of its answer, taken by the client.
    pub answer_timeout: Duration,
    /// In which a client that is sent something takes at least one byte.
    pub stall_timeout: Duration,
    /// How long responses may still take once the server stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            scrapes: 40,
            place_timeout: Duration::from_millis(500),
            // Half of the open files that most systems allow a process.
            connections: 512,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            answer_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_millis(1500),
        }
    }
}
