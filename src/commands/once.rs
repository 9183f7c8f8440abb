//! `once`: polls every target once and prints the exposition.

use std::{io::Write, sync::Arc};

use super::{Failure, load, poll_each_once, start_log, telemetry, usage, variables};
use crate::{app, cli::OnceFlags, metrics::Renderer, snapshot::Snapshots, wiring::Wiring};

pub(super) async fn run(flags: &OnceFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    let variables = variables();
    let config = load(flags.config.file.as_deref(), &variables).map_err(usage)?;
    let telemetry = telemetry()?;
    let mut renderer = Renderer::new(&telemetry, app::tag_labels(&config))?;
    let wiring = Wiring::new(config, &variables, &telemetry)?;
    let snapshots = Snapshots::default();
    let states = poll_each_once(wiring.plan()).await?;
    let failed = states.iter().any(|state| state.failure().is_some());
    for state in states {
        snapshots.add(Arc::new(state));
    }
    let exposition = renderer.render(&snapshots.current())?;
    std::io::stdout().write_all(&exposition.plain.concat())?;
    if failed { Err(Failure::Said) } else { Ok(()) }
}
