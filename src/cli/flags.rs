//! Groups of flags that several subcommands share, and the checks of their values.

use std::path::{Path, PathBuf};

use clap::{
    Args,
    builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser},
    value_parser,
};

use crate::{
    domain::{
        shard::Shard,
        status::{ApiStatus, Status, TunnelState},
        target::{AccountName, Region},
        tunnel::TunnelId,
        tunnel_status::TunnelStatus,
    },
    logging::{Format, Level},
    web::telemetry_path::TelemetryPath,
};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ConfigFlags {
    /// The configuration, in YAML; without it, environment variables configure one account.
    #[arg(long = "config.file", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// The accounts and regions of a list; empty for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct TargetFlags {
    /// Only this account; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    pub account: Vec<AccountName>,
    /// Only this region; may be repeated.
    #[arg(long, value_name = "REGION", value_parser = Region::new)]
    pub region: Vec<Region>,
}

/// How metrics are served.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Web")]
pub struct WebFlags {
    /// Where to listen: at least one `host:port`, with an empty host for all interfaces.
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        default_value = ":14500",
        value_parser = listen_address,
        help = "Where to listen, such as :14500 for all interfaces, 127.0.0.1:0 for a free port, or [::1]:14500; may \
                be repeated"
    )]
    pub listen_addresses: Vec<String>,
    /// Where the metrics are.
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = TelemetryPath::new
    )]
    pub telemetry_path: TelemetryPath,
    /// TLS, passwords, headers and rate limit, in the format of Prometheus' exporter-toolkit; an empty name means no file.
    // The standard parser of paths would refuse an empty name.
    #[arg(long = "web.config.file", value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(super) config_file: Option<PathBuf>,
    /// Allow a reload of the configuration by POST or PUT of /-/reload.
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
    /// Listen on the TCP sockets that systemd passes, instead of --web.listen-address.
    #[arg(long = "web.systemd-socket")]
    pub systemd_socket: bool,
    /// Do not publish process_*; exporter_* stays.
    #[arg(long = "web.disable-exporter-metrics")]
    pub disable_exporter_metrics: bool,
    /// The maximum number of concurrent uncompressed scrapes and status pages; 0 for no limit.
    #[arg(
        long = "web.max-requests",
        value_name = "NUMBER",
        allow_negative_numbers = true,
        default_value_t = 40
    )]
    pub max_requests: usize,
}

impl WebFlags {
    /// The web configuration file. An empty name means none, as in Prometheus' exporters.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref().filter(|file| !file.as_os_str().is_empty())
    }
}

/// The share of the targets that this process polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[command(next_help_heading = "Shards")]
pub struct ShardFlags {
    /// The index of this process among the shards; the first is 0.
    #[arg(long = "shard.index", value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 0)]
    pub index: u32,
    /// The number of processes that share the targets, at most 1000.
    #[arg(
        long = "shard.count",
        value_name = "NUMBER",
        allow_negative_numbers = true,
        default_value_t = 1,
        value_parser = value_parser!(u32).range(1..=1000)
    )]
    pub count: u32,
}

impl ShardFlags {
    /// The shard of these flags; `None` if its index is not below the count.
    #[must_use]
    pub fn shard(self) -> Option<Shard> {
        Shard::new(self.index, self.count)
    }
}

/// How the log is written, on standard error.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Log")]
pub struct LogFlags {
    /// How much is logged: error, warn, info, debug, trace, or a filter such as warn,hyper=debug.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        value_parser = Level::parse
    )]
    pub level: Level,
    /// How each line is written.
    #[arg(long = "log.format", value_enum, default_value_t = Format::Logfmt)]
    pub format: Format,
}

/// The tunnels of the embedded API.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Simulated world")]
pub struct WorldFlags {
    /// The number of tunnels in all regions together.
    #[arg(long, value_name = "NUMBER", default_value_t = 24)]
    pub tunnels: usize,
    /// The regions over which they are spread, separated by commas.
    #[arg(
        long,
        value_name = "REGION",
        value_delimiter = ',',
        default_value = "ap-guangzhou,ap-singapore,eu-frankfurt",
        value_parser = Region::new
    )]
    pub regions: Vec<Region>,
    /// The seed of names, addresses and outages; the same seed gives the same tunnels.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Checks the form of `host:port`. The host may be empty, for all interfaces, and an IPv6 address is in brackets.
/// Names are resolved later, when the server starts to listen.
fn listen_address(text: &str) -> Result<String, &'static str> {
    let form = "write host:port, such as :14500, 127.0.0.1:14500 or [::1]:14500";
    let (host, port) = text.rsplit_once(':').ok_or(form)?;
    port.parse::<u16>().map_err(|_| "the port is not a number up to 65535")?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if is_bracketed && text.parse::<std::net::SocketAddr>().is_err() {
        return Err("the text in brackets is not an IPv6 address");
    }
    if !is_bracketed && host.contains([':', '[', ']', '/', '@', ' ']) {
        return Err(form);
    }
    Ok(text.to_owned())
}

pub(super) fn socket_address(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    text.parse().map_err(|_| "write address:port, such as 127.0.0.1:14501 or [::1]:14501")
}

pub(super) fn tunnel_id(text: &str) -> Result<TunnelId, &'static str> {
    TunnelId::new(text).ok_or("is not an id of 1 to 128 characters")
}

pub(super) fn tunnel_state() -> impl TypedValueParser<Value = TunnelState> {
    PossibleValuesParser::new(TunnelState::ALL.iter().map(|state| state.as_str()))
        .map(|text| TunnelState::parse(&text.to_ascii_uppercase()))
}

pub(super) fn tunnel_status() -> impl TypedValueParser<Value = TunnelStatus> {
    PossibleValuesParser::new(TunnelStatus::ALL.iter().map(|status| status.as_str())).map(|text| {
        let mut named = TunnelStatus::ALL.iter().filter(|status| status.as_str().eq_ignore_ascii_case(&text));
        *named.next().expect("the parser accepts only the names of statuses")
    })
}
