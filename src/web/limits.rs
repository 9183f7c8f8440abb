//! Limits for the clients of the web server.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The number of open files reserved for polls, the log and the listeners, unless the limit on open files is low.
const RESERVED_FILES: u64 = 128;

/// The limits for clients: numbers and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `--web.max-requests`: uncompressed scrapes and status pages in progress. 0 means no limit.
    pub scrapes: usize,
    /// After this time, a response no longer counts for `--web.max-requests`, so that slow readers do not block scrapes.
    pub slow_after: Duration,
    /// Open connections. The limit on open files can lower it; further connections wait in the kernel.
    pub connections: usize,
    /// The time limit for a TLS handshake, and for the next complete request head. The latter starts with the connection or
    /// with the end of the last response, so idle connections are closed after this time.
    pub header_timeout: Duration,
    /// How long bytes may wait for a client that reads too slowly (`TCP_USER_TIMEOUT`).
    pub write_timeout: Duration,
    /// The time that responses in progress have to finish after shutdown.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            scrapes: 40,
            slow_after: Duration::from_secs(1),
            connections: 2048,
            // A scrape every 10 s, the shortest usual interval, can keep its connection.
            header_timeout: Duration::from_secs(12),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_millis(1500),
        }
    }
}

impl Limits {
    /// The maximum number of open connections, with the process's limit on open files.
    pub(super) fn max_connections(&self) -> usize {
        self.connections.min(files_for_connections(getrlimit(Resource::Nofile).current))
    }
}

/// At least half of the open files are for connections. `None` means no limit.
fn files_for_connections(open_files: Option<u64>) -> usize {
    let Some(open_files) = open_files else { return usize::MAX };
    let connections = open_files.saturating_sub(RESERVED_FILES).max(open_files / 2).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Raises the process's soft limit on open files to the hard limit: each connection is an open file, and many systems
/// start processes with a soft limit of 1,024.
pub fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_are_shared_with_polls() {
        let shares = [Some(0), Some(64), Some(200), Some(1024), None].map(files_for_connections);
        assert_eq!(shares, [1, 32, 100, 896, usize::MAX]);
    }
}
