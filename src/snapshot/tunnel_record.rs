//! A tunnel and its history, and the changes from one listing of a target to the next.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::domain::{
    listing::Listing,
    status::StatusField,
    tunnel::{Tunnel, TunnelId},
};

/// A tunnel as last listed, and the changes of its statuses since the exporter started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelRecord {
    /// The tunnel.
    pub tunnel: Tunnel,
    /// A tunnel is in doubt when a response has a row without a usable id that may be this tunnel. This is the
    /// time of the last listing that showed its id; `None` if the tunnel is not in doubt.
    pub in_doubt_since: Option<Timestamp>,
    /// The history of each status, in the order of [`StatusField::ALL`].
    histories: [History; StatusField::ALL.len()],
}

/// The changes of one status of one tunnel since the exporter started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// The last known value, kept while the status reads `UNKNOWN`.
    last_known: Option<&'static str>,
    /// How often it changed from one known value to another.
    pub transitions: u64,
    /// When it last did.
    pub last_transition: Option<Timestamp>,
}

/// A difference between two listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new tunnel.
    Appeared(Arc<TunnelRecord>),
    /// A tunnel with other statuses than before.
    Changed {
        /// As it is now.
        record: Arc<TunnelRecord>,
        /// Each status that changed, with its old and its new value.
        statuses: Vec<(StatusField, &'static str, &'static str)>,
    },
    /// A tunnel that is gone, as it last was.
    Disappeared(Arc<TunnelRecord>),
}

impl TunnelRecord {
    /// The history of a status.
    #[must_use]
    pub fn history(&self, field: StatusField) -> &History {
        &self.histories[field as usize]
    }

    /// When a status last changed; `None` if no change was seen.
    #[must_use]
    pub fn last_transition(&self) -> Option<Timestamp> {
        self.histories.iter().filter_map(|history| history.last_transition).max()
    }

    fn first(tunnel: Tunnel, now: Timestamp) -> Self {
        let histories = StatusField::ALL.map(|field| History::default().after(tunnel.status(field), now));
        Self { tunnel, in_doubt_since: None, histories }
    }

    fn after(&self, tunnel: Tunnel, now: Timestamp) -> Self {
        let histories = StatusField::ALL.map(|field| self.history(field).after(tunnel.status(field), now));
        Self { tunnel, in_doubt_since: None, histories }
    }
}

impl History {
    /// The history after another reading, which is `None` where the status does not apply.
    fn after(self, reading: Option<&'static str>, now: Timestamp) -> Self {
        match (self.last_known, reading) {
            // A health check that is switched on again starts anew: its old value is not compared.
            (_, None) => Self { last_known: None, ..self },
            (_, Some("UNKNOWN")) => self,
            (Some(before), Some(after)) if before != after => {
                Self { last_known: reading, transitions: self.transitions + 1, last_transition: Some(now) }
            }
            _ => Self { last_known: reading, ..self },
        }
    }
}

/// Orders a listing by id, joins each tunnel with its history, and finds the changes. A record that did not change is kept
/// as the same allocation, so that the renderer can compare records by their addresses.
pub(super) fn compare(
    before: Option<&[Arc<TunnelRecord>]>,
    listing: Listing,
    now: Timestamp,
    last_seen_listed: Timestamp,
) -> (Arc<[Arc<TunnelRecord>]>, Vec<Change>) {
    let mut before_by_id: BTreeMap<&TunnelId, &Arc<TunnelRecord>> =
        before.unwrap_or_default().iter().map(|record| (&record.tunnel.id, record)).collect();
    let mut changes = Vec::new();
    let mut listed = Vec::with_capacity(listing.rows.len());
    for tunnel in listing.rows {
        let is_in_doubt = listing.in_doubt.contains(&tunnel.id);
        let since = |old: Option<Timestamp>| is_in_doubt.then(|| old.unwrap_or(last_seen_listed));
        let record = match before_by_id.remove(&tunnel.id) {
            Some(old) if old.tunnel == tunnel && old.in_doubt_since.is_some() == is_in_doubt => {
                Arc::clone(old)
            }
            Some(old) => {
                let in_doubt_since = since(old.in_doubt_since);
                let record = Arc::new(TunnelRecord { in_doubt_since, ..old.after(tunnel, now) });
                changes.extend(changed(old, &record));
                record
            }
            None => {
                let in_doubt_since = since(None);
                let record = Arc::new(TunnelRecord { in_doubt_since, ..TunnelRecord::first(tunnel, now) });
                changes.push(Change::Appeared(Arc::clone(&record)));
                record
            }
        };
        listed.push(record);
    }
    changes.extend(before_by_id.into_values().cloned().map(Change::Disappeared));
    if before.is_none() {
        changes.clear();
    }
    listed.sort_unstable_by(|a, b| a.tunnel.id.cmp(&b.tunnel.id));
    (listed.into(), changes)
}

fn changed(old: &TunnelRecord, new: &Arc<TunnelRecord>) -> Option<Change> {
    let statuses: Vec<_> = StatusField::ALL
        .into_iter()
        .filter_map(|field| Some((field, old.tunnel.status(field)?, new.tunnel.status(field)?)))
        .filter(|(_, before, after)| before != after)
        .collect();
    (!statuses.is_empty()).then(|| Change::Changed { record: Arc::clone(new), statuses })
}
