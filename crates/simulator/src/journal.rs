//! The journal: the last requests, in the order of their responses, without bodies.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// The maximum number of entries; the oldest ones are dropped.
const LENGTH: usize = 10_000;

/// One request and its result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The time of the response, since the simulation started.
    pub at: Duration,
    /// The `X-TC-Action` header, or an empty string; `MetadataRole` or `MetadataCredentials` for the metadata service.
    pub action: String,
    /// The `X-TC-Region` header, or an empty string.
    pub region: String,
    /// The number of the caller's account, or of its role's account; empty if the request failed before the caller was
    /// known.
    pub account: String,
    /// The caller's `SecretId`, which is not secret; empty without a valid `Authorization` header.
    pub secret_id: String,
    /// `Offset` of a request for a listing with valid parameters.
    pub offset: Option<usize>,
    /// `Limit` of such a request.
    pub limit: Option<usize>,
    /// `Filters` of such a request: names and values.
    pub filters: Vec<(String, Vec<String>)>,
    /// The identifiers in such a request, the `VpnConnectionId` of a `DeleteVpnConnection` request, or the instances of a
    /// `GetMonitorData` request in the requested order.
    pub ids: Vec<String>,
    /// `Namespace` of a `GetMonitorData` request with valid parameters.
    pub namespace: Option<String>,
    /// `MetricName` of such a request.
    pub metric: Option<String>,
    /// `Period` of such a request, in seconds.
    pub period: Option<u64>,
    /// `StartTime` of such a request, as it was sent.
    pub start_time: Option<String>,
    /// `EndTime` of such a request, as it was sent.
    pub end_time: Option<String>,
    /// The faults that affected it, by their names in JSON.
    pub faults: Vec<&'static str>,
    /// The `RequestId` of the response.
    pub request_id: String,
    /// The error code of the response; `None` on success, or if a fault replaced the response.
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
            // Created before the check, so that an entry written in between wakes this task.
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
