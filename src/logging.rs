//! The log: where it goes, what it lets through, and in which format.

mod logfmt;
mod queue;

use std::io;

use logfmt::Logfmt;
pub use queue::Queue;
use tracing_subscriber::{
    EnvFilter, Registry,
    filter::ParseError,
    fmt::{Layer, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

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
pub fn start(level: &str, format: Format) -> Result<(), StartError> {
    Ok(start_with(level, format, io::stderr)?)
}

/// The same for what must go on when nobody reads standard error.
pub fn start_queued(level: &str, format: Format) -> Result<Queue, StartError> {
    let (queue, entrance) = Queue::to(io::stderr())?;
    start_with(level, format, entrance)?;
    Ok(queue)
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The level is none.
    #[error("--log.level: {0}; write error, warn, info, debug or trace")]
    Level(#[from] ParseError),
    /// There is no thread to write.
    #[error("no thread can be started: {0}")]
    Thread(#[from] io::Error),
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
