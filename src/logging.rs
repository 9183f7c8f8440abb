//! The log: where it goes, what it lets through, and in which format.

mod logfmt;

use std::{convert::Infallible, io, time::Duration};

use logfmt::Logfmt;
use tokio::time::{MissedTickBehavior, interval};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Registry,
    filter::ParseError,
    fmt::{Layer, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How many lines wait for whoever reads standard error: a line for each tunnel of a large world.
const QUEUED_LINES: usize = 16_384;

/// How often it is told that lines were lost.
const LOSS_INTERVAL: Duration = Duration::from_secs(60);

/// `--log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Keys and values, for people.
    Logfmt,
    /// A JSON object, for programs.
    Json,
}

/// Starts to log to standard error. `level` is one of `error`, `warn`, `info`, `debug` and `trace`, or a filter of
/// `tracing`.
///
/// A plain level is meant for the exporter itself: of the libraries below it, whose lines are many and speak of bytes and
/// sockets, only warnings are let through. A filter can ask for more.
pub fn start(level: &str, format: Format) -> Result<(), ParseError> {
    start_with(level, format, io::stderr)
}

/// The same for what must go on when nobody reads standard error: lines wait in a queue, and are lost where it is full.
pub fn start_queued(level: &str, format: Format) -> Result<Queue, ParseError> {
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).finish(io::stderr());
    let lost = writer.error_counter();
    start_with(level, format, writer)?;
    Ok(Queue { lost, _guard: guard })
}

/// What is logged and not yet written. Dropping it waits a second for that, and no longer.
#[derive(Debug)]
pub struct Queue {
    lost: ErrorCounter,
    _guard: WorkerGuard,
}

impl Queue {
    /// Has the log say how many lines are missing in it, whenever more are.
    pub async fn tell_of_losses(&self) -> Infallible {
        let (mut told, mut ticks) = (0, interval(LOSS_INTERVAL));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let lost = self.lost.dropped_lines();
            if lost > told {
                tracing::warn!(lines = lost - told, "lines of this log were lost: nobody read them in time");
                told = lost;
            }
        }
    }
}

fn start_with<W>(level: &str, format: Format, writer: W) -> Result<(), ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = Registry::default().with(filter(level)?);
    let layer = Layer::new().with_writer(writer);
    match format {
        Format::Logfmt => registry.with(layer.event_format(Logfmt)).init(),
        Format::Json => {
            let layer = layer.json().flatten_event(true).with_target(false);
            registry.with(layer.with_current_span(false).with_span_list(false)).init();
        }
    }
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let plain = ["warn", "info", "debug", "trace"].iter().any(|plain| plain.eq_ignore_ascii_case(level));
    let crate_name = env!("CARGO_CRATE_NAME");
    if plain {
        EnvFilter::builder().parse(format!("warn,{crate_name}={level}"))
    } else {
        EnvFilter::builder().parse(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_level_is_for_the_exporter_and_not_for_its_libraries() {
        for level in ["debug", "DEBUG"] {
            let filter = filter(level).expect("a filter").to_string();
            assert!(filter.contains("tencentcloud_vpn_exporter=debug"), "{filter}");
            assert!(filter.contains("warn"), "{filter}");
        }
    }

    #[test]
    fn a_filter_is_taken_as_it_is() {
        assert_eq!(filter("info,hyper=debug").expect("a filter").to_string(), "hyper=debug,info");
        assert!(filter("a=b=c").is_err());
    }
}
