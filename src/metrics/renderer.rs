//! Renders the exposition in the background. Unchanged parts are not encoded or compressed again.
//!
//! It only saves time: the registry would gather the same families and samples.

use std::{sync::Arc, time::Duration};

use prometheus::{Encoder, TextEncoder, core::Collector, proto::MetricFamily};
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};

use super::{
    compress::{Compressor, Part},
    exposition::Exposition,
    process::Process,
    section::RowSection,
    sections,
};
use crate::{domain::tag_label::TagLabel, snapshot::Snapshot, telemetry::Telemetry};

/// The exporter's own metrics are rendered once in this time, and changes of the snapshot at most once in this time.
const RENDER_INTERVAL: Duration = Duration::from_secs(1);

/// Renders expositions, and keeps what it rendered.
#[derive(Debug)]
pub struct Renderer {
    sections: Vec<Box<dyn RowSection>>,
    telemetry: Telemetry,
    process: Option<Process>,
    compressor: Compressor,
}

impl Renderer {
    /// A renderer that has rendered nothing yet. Without `process_metrics` it leaves out `process_*`.
    pub fn new(
        telemetry: Telemetry,
        tag_labels: &[TagLabel],
        process_metrics: bool,
    ) -> prometheus::Result<Self> {
        Ok(Self {
            sections: sections(&tag_labels.into()),
            process: process_metrics.then(|| Process::new(telemetry.started())).transpose()?,
            telemetry,
            compressor: Compressor::new(),
        })
    }

    /// The exposition of a snapshot.
    pub fn render(&mut self, snapshot: &Snapshot) -> prometheus::Result<Exposition> {
        let own = self.render_own()?;
        let sections = self.sections.iter_mut().map(|section| section.render(snapshot, &mut self.compressor));
        let mut parts = sections.collect::<prometheus::Result<Vec<_>>>()?;
        parts.push(&own);
        Ok(Exposition::joined(&parts))
    }

    fn render_own(&mut self) -> prometheus::Result<Part> {
        let mut families = self.telemetry.collect();
        families.extend(self.process.iter().flat_map(Collector::collect));
        families.retain(|family: &MetricFamily| !family.get_metric().is_empty());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(self.compressor.part(&text))
    }
}

/// What the rendering task reads, and where it publishes.
#[derive(Debug)]
pub struct RenderTask {
    /// The snapshots to render.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The tags to show.
    pub tag_labels: watch::Receiver<Vec<TagLabel>>,
    /// The exporter's own metrics.
    pub telemetry: Telemetry,
    /// Whether `process_*` is published.
    pub process_metrics: bool,
    /// Receives each exposition.
    pub expositions: watch::Sender<Arc<Exposition>>,
    /// Becomes true once an exposition shows a complete snapshot, and stays true.
    pub ready: watch::Sender<bool>,
}

impl RenderTask {
    /// Renders whenever the snapshot has changed, at most once a second, and the exporter's own metrics once a second in any
    /// case. Runs until the sender of the snapshots is dropped.
    pub async fn run(mut self) -> Result<(), RenderError> {
        let mut renderer = self.renderer()?;
        let mut last_change: Option<Instant> = None;
        loop {
            renderer = self.publish(renderer).await?;
            tokio::select! {
                () = sleep(RENDER_INTERVAL) => continue,
                Ok(()) = self.tag_labels.changed() => renderer = self.renderer()?,
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
            if let Some(last) = last_change {
                sleep_until(last + RENDER_INTERVAL).await;
            }
            last_change = Some(Instant::now());
        }
    }

    fn renderer(&mut self) -> prometheus::Result<Renderer> {
        Renderer::new(self.telemetry.clone(), &self.tag_labels.borrow_and_update(), self.process_metrics)
    }

    /// Renders the present snapshot on a thread for blocking work, and publishes the exposition.
    async fn publish(&mut self, mut renderer: Renderer) -> Result<Renderer, RenderError> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let (is_complete, targets) = (snapshot.is_complete(), snapshot.targets.len());
        let (renderer, exposition) = spawn_blocking(move || {
            let exposition = renderer.render(&snapshot);
            (renderer, exposition)
        })
        .await?;
        self.expositions.send_replace(Arc::new(exposition?));
        // Not before: the first scrape after "ready" must show every target.
        if is_complete && self.ready.send_if_modified(|ready| !std::mem::replace(ready, true)) {
            tracing::info!(targets, "ready: every target was polled once");
        }
        Ok(renderer)
    }
}

/// Why the exposition cannot be rendered any more.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The metrics contradict each other.
    #[error("metrics cannot be encoded")]
    Encode(#[from] prometheus::Error),
    /// The renderer panicked.
    #[error("the renderer panicked")]
    Ended(#[from] JoinError),
}
