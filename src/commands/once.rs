//! `once`: polls every target once and prints the exposition.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Failure, load, print, start_log, telemetry, usage, variables};
use crate::{
    app,
    cli::OnceFlags,
    metrics::Renderer,
    poll,
    snapshot::{Snapshots, TargetSnapshot},
    wiring::Wiring,
};

pub(super) async fn run(flags: &OnceFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    let variables = variables();
    let config = load(flags.config.file.as_deref(), &variables).map_err(usage)?;
    let telemetry = telemetry()?;
    let mut renderer = Renderer::new(&telemetry, app::tag_labels(&config))?;
    let wiring = Wiring::new(config, &variables, &telemetry)?;
    let snapshots = Snapshots::default();
    let mut polls: JoinSet<TargetSnapshot> = wiring
        .plan()
        .into_iter()
        .map(|(target, settings)| async move { poll::poll(&settings, &TargetSnapshot::new(target)).await.0 })
        .collect();
    let mut failed = 0;
    while let Some(state) = polls.join_next().await {
        let state = state?;
        if let Some(failure) = state.failure() {
            failed += 1;
            eprintln!("{}: {}", state.target, failure.message);
        }
        snapshots.add(Arc::new(state));
    }
    let exposition = renderer.render(&snapshots.current())?;
    print(&exposition.plain.concat())?;
    if failed == 0 { Ok(()) } else { Err(Failure::Said) }
}
