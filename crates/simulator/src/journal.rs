//! The last requests, for tests: in the order of their responses, without bodies.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// How many requests are remembered; older ones are forgotten.
const LENGTH: usize = 10_000;

/// One request, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// When it was answered, in the world's time.
    pub at: Duration,
    /// `X-TC-Action` as it was sent, empty where it was not; or `MetadataRole` or `MetadataCredentials`.
    pub action: String,
    /// `X-TC-Region` as it was sent; empty where it was not.
    pub region: String,
    /// The number of the account that the request came from, or of the role that it took on; empty where the request
    /// was refused before that was known.
    pub account: String,
    /// The caller's `SecretId`, where an `Authorization` could be read; it is not secret.
    pub secret_id: String,
    /// Which row the page began with, for a listing whose parameters were accepted.
    pub offset: Option<usize>,
    /// How many rows the page could have had, likewise.
    pub limit: Option<usize>,
    /// `Filters`, likewise: names and values.
    pub filters: Vec<(String, Vec<String>)>,
    /// `VpnConnectionIds`, likewise.
    pub ids: Vec<String>,
    /// The faults that befell it, by their names in JSON.
    pub faults: Vec<&'static str>,
    /// The `RequestId` of the answer.
    pub request_id: String,
    /// The error code that was answered; `None` for a success, and where no answer of the API came.
    pub error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Mutex<VecDeque<Entry>>,
    written: Notify,
}

impl Journal {
    pub(super) fn write(&self, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == LENGTH {
            entries.pop_front();
        }
        entries.push_back(entry);
        drop(entries);
        self.written.notify_waiters();
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until the entries meet a condition.
    pub(super) async fn until(&self, condition: impl Fn(&[Entry]) -> bool) {
        loop {
            // Made before looking, so that an entry written in between wakes it.
            let written = self.written.notified();
            if condition(&self.entries()) {
                return;
            }
            written.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn entry_written_during_a_check_is_seen() {
        let journal = Journal::default();
        let met = journal.until(|entries| {
            if entries.is_empty() {
                journal.write(Entry::default());
            }
            entries.len() == 1
        });
        tokio::time::timeout(Duration::from_secs(10), met).await.expect("in time");
    }

    #[test]
    fn full_journal_drops_its_oldest_entries() {
        let journal = Journal::default();
        for second in 0..LENGTH as u64 + 2 {
            journal.write(Entry { at: Duration::from_secs(second), ..Entry::default() });
        }
        let entries = journal.entries();
        assert_eq!((entries.len(), entries[0].at), (LENGTH, Duration::from_secs(2)));
    }
}
