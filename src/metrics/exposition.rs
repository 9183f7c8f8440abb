//! What a scrape is served: the whole text format, rendered off the scrape's path, for the targets that changed and not
//! for the others.
//!
//! Samples of one family must stand together, and targets change apart. So each family is kept in parts, one for every few
//! tunnels, and an exposition is made of all parts, compressed as they are.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::{
    sync::watch,
    task::JoinError,
    time::{Instant, sleep_until},
};

use super::{
    compress::{self, Compressor, Part},
    family::Family,
    plain::Plain,
    process::Process,
    target, tunnel,
};
use crate::{
    domain::{tag_label::TagLabel, target::Target},
    snapshot::{Snapshot, TargetSnapshot, TunnelRecord},
    telemetry::Telemetry,
};

/// How many tunnels are rendered together: the more, the smaller the exposition, and the more is rendered again for one
/// change.
const TUNNELS_PER_CHUNK: usize = 250;

/// How old the exporter's own metrics, and how long a change of the snapshot may wait for others.
const PACE: Duration = Duration::from_secs(1);

/// The exposition, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// One gzip member, in pieces that follow each other; none before the first rendering.
    pub gzip: Vec<Bytes>,
    /// How many bytes the text has.
    plain_length: usize,
}

impl Exposition {
    /// The exposition of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self::joined(&[&Compressor::new().part(text)])
    }

    fn joined(parts: &[&Part]) -> Self {
        Self { gzip: compress::member(parts), plain_length: parts.iter().map(|part| part.length()).sum() }
    }

    /// The text, unpacked while it is read.
    #[must_use]
    pub fn plain(&self) -> Plain {
        Plain::new(self.gzip.iter().skip(1).cloned().collect(), self.plain_length)
    }
}

/// Renders expositions, and remembers what it rendered.
#[derive(Debug)]
pub struct Renderer {
    tunnel_families: Vec<Family<TunnelRecord>>,
    target_families: Vec<Family<TargetSnapshot>>,
    registries: [Registry; 2],
    compressor: Compressor,
    rendered: HashMap<Target, Rendered>,
    tunnels: Part,
    targets: Part,
}

/// What was rendered of one target.
#[derive(Debug)]
struct Rendered {
    snapshot: Arc<TargetSnapshot>,
    /// The samples of each family of targets.
    target: Vec<Vec<u8>>,
    tunnels: Vec<Chunk>,
}

/// Tunnels that are rendered together.
#[derive(Debug)]
struct Chunk {
    records: Vec<Arc<TunnelRecord>>,
    /// Their samples of each family of tunnels.
    samples: Vec<Part>,
}

impl Renderer {
    /// A renderer of snapshots and of the exporter's own metrics. Fails where a tag's label cannot be one.
    pub fn new(telemetry: &Telemetry, tag_labels: Vec<TagLabel>) -> prometheus::Result<Self> {
        let process = Registry::new();
        process.register(Box::new(Process::new(telemetry.started())?))?;
        Ok(Self {
            tunnel_families: tunnel::families(tag_labels)?,
            target_families: target::families()?,
            registries: [process, telemetry.registry().clone()],
            compressor: Compressor::new(),
            rendered: HashMap::new(),
            tunnels: Part::default(),
            targets: Part::default(),
        })
    }

    /// The exposition of a snapshot. What did not change since the last call is not rendered again.
    pub fn render(&mut self, snapshot: &Snapshot) -> prometheus::Result<Exposition> {
        let gone = self.forget(snapshot);
        let mut targets_changed = gone;
        let mut tunnels_changed = gone;
        for target in snapshot.values() {
            if self.rendered.get(&target.target).is_some_and(|known| Arc::ptr_eq(&known.snapshot, target)) {
                continue;
            }
            targets_changed = true;
            tunnels_changed |= self.render_target(target)?;
        }
        if tunnels_changed {
            self.tunnels = self.join_tunnels(snapshot)?;
        }
        if targets_changed {
            self.targets = self.join_targets(snapshot)?;
        }
        let own = self.render_own()?;
        Ok(Exposition::joined(&[&self.tunnels, &self.targets, &own]))
    }

    /// Drops what was rendered of targets that are gone; whether there were any.
    fn forget(&mut self, snapshot: &Snapshot) -> bool {
        let before = self.rendered.len();
        self.rendered.retain(|target, _| snapshot.contains_key(target));
        self.rendered.len() < before
    }

    /// Renders a target that is new or changed; whether any of its tunnels' text did.
    fn render_target(&mut self, snapshot: &Arc<TargetSnapshot>) -> prometheus::Result<bool> {
        let old = self.rendered.remove(&snapshot.target).map(|rendered| rendered.tunnels).unwrap_or_default();
        let mut changed = false;
        let count = old.len();
        let mut old = old.into_iter();
        let mut tunnels = Vec::new();
        for records in snapshot.tunnels().chunks(TUNNELS_PER_CHUNK) {
            let kept = old.next().filter(|chunk| chunk.is_of(records));
            changed |= kept.is_none();
            tunnels.push(match kept {
                Some(chunk) => chunk,
                None => self.render_tunnels(&snapshot.target, records)?,
            });
        }
        changed |= tunnels.len() != count;
        let things = || std::iter::once((target::identity(snapshot), &**snapshot));
        let families = self.target_families.iter_mut();
        let target = families.map(|family| family.text(things())).collect::<prometheus::Result<_>>()?;
        let rendered = Rendered { snapshot: Arc::clone(snapshot), target, tunnels };
        self.rendered.insert(snapshot.target.clone(), rendered);
        Ok(changed)
    }

    fn render_tunnels(
        &mut self,
        target: &Target,
        records: &[Arc<TunnelRecord>],
    ) -> prometheus::Result<Chunk> {
        // Neighbours that say the same compress well.
        let mut ordered: Vec<&TunnelRecord> = records.iter().map(|record| &**record).collect();
        ordered.sort_by_key(|record| tunnel::identity(target, record));
        let things = || ordered.iter().map(|&record| (tunnel::identity(target, record), record));
        let families = self.tunnel_families.iter_mut();
        let samples = families.map(|family| Ok(self.compressor.part(&family.text(things())?)));
        Ok(Chunk { records: records.to_vec(), samples: samples.collect::<prometheus::Result<_>>()? })
    }

    /// Puts together what each target's tunnels say of each family.
    fn join_tunnels(&mut self, snapshot: &Snapshot) -> prometheus::Result<Part> {
        let comments =
            self.tunnel_families.iter().map(|family| Ok(self.compressor.part(&family.comments()?)));
        let comments = comments.collect::<prometheus::Result<Vec<_>>>()?;
        let mut parts = Vec::new();
        for (index, comments) in comments.iter().enumerate() {
            let chunks = in_order(&self.rendered, snapshot).flat_map(|rendered| &rendered.tunnels);
            let mut samples =
                chunks.map(|chunk| &chunk.samples[index]).filter(|part| !part.is_empty()).peekable();
            if samples.peek().is_some() {
                parts.push(comments);
                parts.extend(samples);
            }
        }
        Ok(Part::joined(parts))
    }

    /// Puts together what each target says of each family.
    fn join_targets(&mut self, snapshot: &Snapshot) -> prometheus::Result<Part> {
        let mut text = Vec::new();
        for (index, family) in self.target_families.iter().enumerate() {
            let comments = family.comments()?;
            let before = text.len();
            text.extend_from_slice(&comments);
            for rendered in in_order(&self.rendered, snapshot) {
                text.extend_from_slice(&rendered.target[index]);
            }
            if text.len() == before + comments.len() {
                text.truncate(before);
            }
        }
        Ok(self.compressor.part(&text))
    }

    fn render_own(&mut self) -> prometheus::Result<Part> {
        let mut text = Vec::new();
        for registry in &self.registries {
            TextEncoder::new().encode(&registry.gather(), &mut text)?;
        }
        Ok(self.compressor.part(&text))
    }
}

impl Chunk {
    fn is_of(&self, records: &[Arc<TunnelRecord>]) -> bool {
        self.records.len() == records.len()
            && self.records.iter().zip(records).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// What was rendered of each target, in the snapshot's order.
fn in_order<'a>(
    rendered: &'a HashMap<Target, Rendered>,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a Rendered> {
    snapshot.keys().filter_map(|target| rendered.get(target))
}

/// Renders whenever the snapshot changed, at most once a second, and the exporter's own metrics once a second in any case.
/// `shown` is told of each snapshot that scrapes now show. Runs until the snapshots end.
pub async fn keep_rendered(
    mut renderer: Renderer,
    mut snapshots: watch::Receiver<Snapshot>,
    expositions: watch::Sender<Arc<Exposition>>,
    shown: watch::Sender<Snapshot>,
) -> Result<(), RenderError> {
    let mut last_change: Option<Instant> = None;
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let present = snapshot.clone();
        let (back, exposition) = tokio::task::spawn_blocking(move || {
            let exposition = renderer.render(&snapshot);
            (renderer, exposition)
        })
        .await?;
        renderer = back;
        expositions.send_replace(Arc::new(exposition?));
        shown.send_if_modified(|before| {
            let new = !Arc::ptr_eq(before, &present);
            *before = present;
            new
        });
        let next = Instant::now() + PACE;
        tokio::select! {
            () = sleep_until(next) => {}
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if let Some(last) = last_change {
                    sleep_until(last + PACE).await;
                }
                last_change = Some(Instant::now());
            }
        }
    }
}

/// Why the exposition cannot be rendered any more.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The metrics contradict each other.
    #[error("metrics cannot be encoded")]
    Encode(#[from] prometheus::Error),
    /// The renderer panicked.
    #[error("rendering ended")]
    Ended(#[from] JoinError),
}
