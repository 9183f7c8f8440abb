//! The log: where it goes, what it lets through, and in which format.

mod json;
mod logfmt;
mod queue;

use std::io;

use json::Json;
use logfmt::Logfmt;
pub use queue::Queue;
use tracing::field::Field;
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
/// A plain level applies to the exporter itself. Its dependencies log many lines about bytes and sockets: of those, only
/// warnings and errors are written. A filter can ask for more.
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
        Format::Json => registry.with(layer.event_format(Json)).init(),
    }
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let Some(level) = LEVELS.into_iter().find(|plain| plain.eq_ignore_ascii_case(level)) else {
        return EnvFilter::builder().parse(level);
    };
    let others = if level == "error" { level } else { "warn" };
    let crate_name = env!("CARGO_CRATE_NAME");
    EnvFilter::builder().parse(format!("{others},{crate_name}={level}"))
}

/// Whether a field is written. Events from the `log` crate carry fields about their place in a dependency's source, such as
/// `log.file` with a path of the machine that built the program.
fn is_shown(field: &Field) -> bool {
    !field.name().starts_with("log.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_level_is_for_the_exporter_and_not_for_its_libraries() {
        for (level, own, others) in
            [("debug", "debug", "warn"), ("DEBUG", "debug", "warn"), ("error", "error", "error")]
        {
            let filter = filter(level).expect("a filter").to_string();
            let directives: Vec<_> = filter.split(',').collect();
            assert!(directives.contains(&&*format!("tencentcloud_vpn_exporter={own}")), "{filter}");
            assert!(directives.contains(&others), "{filter}");
        }
    }

    #[test]
    fn a_filter_is_taken_as_it_is() {
        assert_eq!(filter("info,hyper=debug").expect("a filter").to_string(), "hyper=debug,info");
        assert!(filter("a=b=c").is_err());
    }
}
