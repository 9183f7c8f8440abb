//! What a scrape is served: the whole text format, rendered off the scrape's path, for the targets that changed and not
//! for the others.
//!
//! Samples of one family must stand together, and targets change apart. So the text of each family is kept in pieces, one
//! for every few tunnels, and an exposition is a list of pieces.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use prometheus::{Encoder, Registry, TextEncoder, core::Collector};
use tokio::{
    sync::watch,
    task::JoinError,
    time::{Instant, sleep_until},
};

use super::{
    compress::{self, Part},
    process::Process,
    target::TargetMetrics,
    tunnel::{TagLabel, TunnelMetrics},
};
use crate::{
    domain::Target,
    snapshot::{Snapshot, TargetSnapshot, TunnelRecord},
    telemetry::Telemetry,
};

/// How many tunnels share a piece of text; it bounds what is built at once, and what is rendered again for one change.
const TUNNELS_PER_PIECE: usize = 250;

/// How old the exporter's own metrics, and how long a change of the snapshot may wait for others.
const PACE: Duration = Duration::from_secs(1);

/// The exposition, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// The text, in pieces that follow each other.
    pub plain: Vec<Bytes>,
    /// One gzip member with the same text, in pieces that follow each other.
    pub gzip: Vec<Bytes>,
}

/// Renders expositions, and remembers what it rendered.
#[derive(Debug)]
pub struct Renderer {
    tunnel_metrics: TunnelMetrics,
    target_metrics: TargetMetrics,
    own: [Registry; 2],
    rendered: HashMap<Target, Rendered>,
    tunnels: Section,
    targets: Section,
}

/// What was rendered of one target.
#[derive(Debug)]
struct Rendered {
    snapshot: Arc<TargetSnapshot>,
    target: Families,
    tunnels: Vec<(Vec<Arc<TunnelRecord>>, Families)>,
}

/// Families of one collector as text: by name, the comment lines that introduce the family, and its samples.
type Families = BTreeMap<String, (Bytes, Bytes)>;

/// A part of the exposition that changes as one.
#[derive(Debug, Default)]
struct Section {
    plain: Vec<Bytes>,
    gzip: Part,
}

impl Renderer {
    /// A renderer of snapshots and of the exporter's own metrics. Fails where a tag's label cannot be one.
    pub fn new(telemetry: &Telemetry, tag_labels: Vec<TagLabel>) -> prometheus::Result<Self> {
        let process = Registry::new();
        process.register(Box::new(Process::new()?))?;
        Ok(Self {
            tunnel_metrics: TunnelMetrics::new(tag_labels)?,
            target_metrics: TargetMetrics::new()?,
            own: [telemetry.registry().clone(), process],
            rendered: HashMap::new(),
            tunnels: Section::default(),
            targets: Section::default(),
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
            let families =
                self.in_order(snapshot).flat_map(|rendered| rendered.tunnels.iter().map(|(_, text)| text));
            self.tunnels = Section::new(families);
        }
        if targets_changed {
            self.targets = Section::new(self.in_order(snapshot).map(|rendered| &rendered.target));
        }
        let own = self.own.iter().map(encode).collect::<prometheus::Result<Vec<_>>>()?;
        let own = Section::new(own.iter());
        let sections = [&self.tunnels, &self.targets, &own];
        Ok(Exposition {
            plain: sections.iter().flat_map(|section| section.plain.iter().cloned()).collect(),
            gzip: compress::member(&sections.map(|section| &section.gzip)),
        })
    }

    /// Drops what was rendered of targets that are gone; whether there were any.
    fn forget(&mut self, snapshot: &Snapshot) -> bool {
        let before = self.rendered.len();
        self.rendered.retain(|target, _| snapshot.contains_key(target));
        self.rendered.len() < before
    }

    /// Renders a target that is new or changed; whether any of its tunnels' text did.
    fn render_target(&mut self, snapshot: &Arc<TargetSnapshot>) -> prometheus::Result<bool> {
        let mut old =
            self.rendered.remove(&snapshot.target).map(|rendered| rendered.tunnels).unwrap_or_default();
        let mut changed = false;
        let mut tunnels = Vec::new();
        for (index, records) in snapshot.tunnels().chunks(TUNNELS_PER_PIECE).enumerate() {
            let kept = old.get_mut(index).filter(|(known, _)| same(known, records)).map(std::mem::take);
            changed |= kept.is_none();
            tunnels.push(match kept {
                Some(kept) => kept,
                None => (records.to_vec(), self.render_tunnels(&snapshot.target, records)?),
            });
        }
        changed |= tunnels.len() != old.len();
        let target = text_of(self.target_metrics.over(Arc::clone(snapshot)))?;
        let rendered = Rendered { snapshot: Arc::clone(snapshot), target, tunnels };
        self.rendered.insert(snapshot.target.clone(), rendered);
        Ok(changed)
    }

    fn render_tunnels(&self, target: &Target, records: &[Arc<TunnelRecord>]) -> prometheus::Result<Families> {
        text_of(self.tunnel_metrics.over(target.clone(), records.to_vec()))
    }

    fn in_order<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Rendered> {
        snapshot.keys().filter_map(|target| self.rendered.get(target))
    }
}

impl Section {
    /// Joins what several collectors say of each family.
    fn new<'a>(parts: impl Iterator<Item = &'a Families>) -> Self {
        let mut families: BTreeMap<&str, Vec<Bytes>> = BTreeMap::new();
        for (name, (comments, samples)) in parts.flatten() {
            families.entry(name).or_insert_with(|| vec![comments.clone()]).push(samples.clone());
        }
        let plain: Vec<Bytes> = families.into_values().flatten().collect();
        let gzip = Part::new(&plain);
        Self { plain, gzip }
    }
}

fn same(known: &[Arc<TunnelRecord>], records: &[Arc<TunnelRecord>]) -> bool {
    known.len() == records.len() && known.iter().zip(records).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn text_of(collector: impl Collector + 'static) -> prometheus::Result<Families> {
    let registry = Registry::new();
    registry.register(Box::new(collector))?;
    encode(&registry)
}

/// Encodes each family of a registry apart.
fn encode(registry: &Registry) -> prometheus::Result<Families> {
    let mut families = Families::new();
    for family in registry.gather() {
        let mut text = Vec::new();
        TextEncoder::new().encode(std::slice::from_ref(&family), &mut text)?;
        let mut comments = Bytes::from(text);
        let samples = comments.split_off(end_of_comments(&comments));
        families.insert(family.name().to_owned(), (comments, samples));
    }
    Ok(families)
}

/// Where the lines `# HELP` and `# TYPE` end.
fn end_of_comments(text: &[u8]) -> usize {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.by_ref().take_while(|line| line.starts_with(b"#")).map(<[u8]>::len).sum()
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
    #[error("metrics cannot be encoded: {0}")]
    Encode(#[from] prometheus::Error),
    /// The renderer panicked.
    #[error("rendering ended: {0}")]
    Ended(#[from] JoinError),
}
