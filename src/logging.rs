//! The log on standard error: level, format and writer thread.
//!
//! Names of tunnels and messages of the API are untrusted: every format escapes values, so that a value cannot forge a line or
//! a field.

mod json;
mod logfmt;
mod writer;

use std::{
    fmt::{self, Debug},
    io,
};

use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Registry,
    filter::{ParseError, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, Layer, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};
use writer::LogFlusher;

/// `--log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Keys and values, for people.
    Logfmt,
    /// A JSON object, for programs.
    Json,
}

/// `--log.level`: a level, or several levels of crates and modules.
#[derive(Debug, Clone, PartialEq)]
pub struct Level(Targets);

impl Level {
    /// A plain level applies to the exporter itself. Other crates log many lines about bytes and sockets, so only their
    /// warnings and errors are logged. A filter can show more.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let (Ok(level), false) = (text.parse::<LevelFilter>(), text.is_empty()) {
            let own_crates = [env!("CARGO_CRATE_NAME"), "simulator"].map(|name| (name, level));
            return Ok(Self(
                Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(own_crates),
            ));
        }
        // `Targets` would parse a single word as a crate name and disable the logs of all other crates.
        if text.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(
                "write error, warn, info, debug, trace, or a filter such as warn,hyper=debug".to_owned()
            );
        }
        text.parse().map(Self).map_err(|error: ParseError| error.to_string())
    }
}

/// Starts to log. Each event is written before the program continues.
pub fn start(level: &Level, format: Format) {
    start_with(level, format, io::stderr);
}

/// Starts to log from a separate thread, so that no other thread waits until the log is read. The result flushes the log when
/// it is dropped.
pub fn start_in_background(level: &Level, format: Format) -> io::Result<LogFlusher> {
    let (writer, flusher) = writer::in_background(io::stderr())?;
    start_with(level, format, writer);
    Ok(flusher)
}

fn start_with<W>(level: &Level, format: Format, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = Layer::new().with_writer(writer).event_format(format);
    Registry::default().with(level.0.clone()).with(layer).init();
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        let level = *event.metadata().level();
        match self {
            Self::Logfmt => logfmt::write(writer, level, &fields.0),
            Self::Json => json::write(writer, level, &fields.0),
        }
    }
}

/// The fields of an event in their order. The message is one of them, with the key `msg` as in the logs of Prometheus.
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // Events of the crate `log` have fields with their place in a dependency's source, such as `log.file`, a path on the
        // machine that built the program.
        if !field.name().starts_with("log.") {
            let key = if field.name() == "message" { "msg" } else { field.name() };
            self.0.push((key, value.into()));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_level_is_for_the_exporter_alone() {
        for (text, own, others) in
            [("debug", "debug", "warn"), ("DEBUG", "debug", "warn"), ("error", "error", "error")]
        {
            let filter = Level::parse(text).expect("a level").0.to_string();
            let directives: Vec<_> = filter.split(',').collect();
            assert!(directives.contains(&&*format!("tencentcloud_vpn_exporter={own}")), "{filter}");
            assert!(directives.contains(&others), "{filter}");
        }
    }

    #[test]
    fn filter_is_used_unchanged() {
        let level = Level::parse("info,hyper=debug").expect("a filter");
        assert_eq!(level.0.to_string(), "hyper=debug,info");
        assert!(Level::parse("a=b=c").is_err());
        assert!(Level::parse("inof").is_err());
    }
}
