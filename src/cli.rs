//! The command line: flags and subcommands as types.
//!
//! Flags follow their subcommand, and each subcommand refuses flags that it does not use. No flag takes a secret.

pub mod flags;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::NonEmptyStringValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use flags::{ConfigFlags, LogFlags, ShardFlags, TargetFlags, WebFlags, WorldFlags};

use crate::{
    config::duration,
    domain::{
        status::TunnelState,
        target::{AccountName, Region},
        tunnel::TunnelId,
        tunnel_status::TunnelStatus,
    },
    version,
};

/// The exit status after an invalid flag or configuration.
pub const EXIT_USAGE: u8 = 64;

/// Exports the states of Tencent Cloud's VPN tunnels to Prometheus.
///
/// Without a subcommand it runs as a daemon: it polls the VPC API of each account and region in the background, and serves the
/// last states. Without --config.file it watches one account with the default chain of credentials, in the regions of
/// TENCENTCLOUD_REGION, at the site of TENCENTCLOUD_VPN_EXPORTER_SITE (international or china). It exits with 0 after SIGTERM
/// or SIGINT, with 64 after an invalid flag or configuration, and with 1 after any other error.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "the help shows this text as it is")]
#[command(bin_name = env!("CARGO_PKG_NAME"), version = version::VERSION, propagate_version = true, max_term_width = 110,
    args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    daemon: DaemonFlags,
}

/// A subcommand and its flags.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// No subcommand: run the daemon.
    #[command(skip)]
    Serve(DaemonFlags),
    /// Run the daemon against the embedded VPC API, with tunnels that change state; needs no account.
    Demo(DemoFlags),
    /// Run only the embedded VPC API, for any client; prints the credentials that it accepts.
    Simulate(SimulateFlags),
    /// Read the configuration and print every problem; exits with 0 if there is none, else with 64.
    CheckConfig(CheckConfigFlags),
    /// Poll every target once and print the metrics; exits with 0 only if every poll succeeded.
    Once(OnceFlags),
    /// Check whether the daemon that was started with the same flags is healthy; exits with 0 or 1.
    Healthcheck(HealthcheckFlags),
    /// List tunnels, or delete one.
    #[command(subcommand)]
    Tunnels(TunnelsCommand),
    /// List VPN gateways.
    #[command(subcommand)]
    Gateways(GatewaysCommand),
}

/// The flags of the daemon.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DaemonFlags {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How metrics are served.
    #[command(flatten)]
    pub web: WebFlags,
    /// The share of the targets that is polled.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// The flags of `demo`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DemoFlags {
    /// The tunnels of the embedded API.
    #[command(flatten)]
    pub world: WorldFlags,
    /// How metrics are served.
    #[command(flatten)]
    pub web: WebFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// The flags of `simulate`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SimulateFlags {
    /// Where to listen, in plain HTTP; port 0 picks a free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:14501", value_parser = flags::socket_address)]
    pub listen_address: std::net::SocketAddr,
    /// The tunnels of the embedded API.
    #[command(flatten)]
    pub world: WorldFlags,
    /// Keep all tunnels up; without this flag, some fail and recover.
    #[arg(long)]
    pub frozen: bool,
    /// Simulated seconds per real second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, conflicts_with = "frozen")]
    pub speed: f64,
    /// The delay of each response, such as 250ms; no delay by default.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub latency: Option<Duration>,
    /// Faults from the start: a file with a JSON list.
    ///
    /// For example [{"region": "eu-frankfurt", "share": 0.5, "kind": "reset"}, {"kind": {"latency": {"milliseconds": 3000}}}].
    /// A POST of such a list to the path /_faults from this machine replaces the current faults; [] removes all faults, and GET
    /// shows them.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// A problem of a gateway, such as isolated or isolated@30s (from 30 seconds on); may be repeated.
    ///
    /// The problems are isolated, address_blocked, expiring and pending_error. Each affects another gateway. Without this flag,
    /// one gateway with at most a third of all tunnels becomes isolated after 20 seconds, and one expires in five days, unless
    /// --frozen is given. A POST to the path /_gateway_problem from this machine sets the problem of one gateway, for example {"region": "eu-frankfurt",
    /// "vpn_gateway_id": "vpngw-6x0wxvtp", "problem": "isolated"}; null ends it.
    #[expect(clippy::doc_markdown, reason = "the help shows this text as it is")]
    #[arg(long, value_name = "PROBLEM")]
    pub gateway_problem: Vec<simulator::PlannedProblem>,
    /// Throttle clients above this number of requests per second; Tencent Cloud's limit is 100.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub requests_per_second: usize,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// The flags of `check-config`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct CheckConfigFlags {
    /// Also call each account and region once for each permission, and report what its credentials allow.
    #[arg(long)]
    pub probe: bool,
    /// The flags of the daemon.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

/// The flags of `healthcheck`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct HealthcheckFlags {
    /// Check whether it is ready: whether the first poll of every target has finished, successful or not.
    #[arg(long)]
    pub ready: bool,
    /// The flags of the daemon.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

/// The flags of `once`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct OnceFlags {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// The share of the targets that is polled.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// A subcommand of `tunnels` and its flags.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum TunnelsCommand {
    /// Print all tunnels and their statuses, of every configured account and region.
    ///
    /// Repeat a flag to select several values. A tunnel must match all different flags.
    List(ListFlags),
    /// Delete one tunnel. Asks for confirmation and waits until the tunnel is deleted.
    ///
    /// All four flags that name the tunnel are required. Its account and region must be configured, and the account's
    /// credentials must allow vpc:DeleteVpnConnection, which the daemon never needs.
    Delete(DeleteFlags),
}

/// The flags of `tunnels list`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("level", quiet))]
pub struct ListFlags {
    /// How the tunnels are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Which accounts and regions.
    #[command(flatten)]
    pub targets: TargetFlags,
    /// Only tunnels of this gateway, such as vpngw-6x0wxvtp; may be repeated.
    #[arg(long, value_name = "ID")]
    pub vpn_gateway_id: Vec<String>,
    /// Only tunnels with this status; may be repeated.
    #[arg(long, value_name = "STATUS", value_parser = flags::tunnel_status(), ignore_case = true)]
    pub status: Vec<TunnelStatus>,
    /// Only tunnels whose status is down, like --status down; idle tunnels, which wait for traffic, are not down.
    #[arg(long, conflicts_with = "status")]
    pub down: bool,
    /// Only tunnels in this state of the API; may be repeated.
    #[arg(long, value_name = "STATE", value_parser = flags::tunnel_state(), ignore_case = true)]
    pub state: Vec<TunnelState>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// A subcommand of `gateways` and its flags.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum GatewaysCommand {
    /// Print all VPN gateways, their states and expiry dates, and how many of their tunnels are up.
    ///
    /// Repeat a flag to select several values. A gateway must match all different flags.
    List(GatewayListFlags),
}

/// The flags of `gateways list`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("level", quiet))]
pub struct GatewayListFlags {
    /// How the gateways are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Which accounts and regions.
    #[command(flatten)]
    pub targets: TargetFlags,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table, for people.
    Table,
    /// A JSON list, for programs.
    Json,
}

/// The flags of `tunnels delete`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("level", quiet))]
pub struct DeleteFlags {
    /// The account of the tunnel, by its name in the configuration; without a file it is "default", unless the environment
    /// has another name.
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    pub account: AccountName,
    /// The region of the tunnel.
    #[arg(long, value_name = "REGION", value_parser = Region::new)]
    pub region: Region,
    /// The gateway of the tunnel, such as vpngw-6x0wxvtp.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub vpn_gateway_id: String,
    /// The tunnel, such as vpnx-f49l6u0z.
    #[arg(long, value_name = "ID", value_parser = flags::tunnel_id)]
    pub vpn_connection_id: TunnelId,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// Show what would be deleted, and delete nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Return once Tencent Cloud has accepted the request, without waiting until the tunnel is deleted.
    #[arg(long, conflicts_with = "timeout")]
    pub no_wait: bool,
    /// The time limit for the request and its retries, and for the wait until the tunnel is deleted.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub timeout: Duration,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// At a terminal, only warnings and errors are logged by default.
fn quiet(level: clap::Arg) -> clap::Arg {
    level.default_value("warn")
}

/// Reads a command line that begins with the program's name. The error can also be a request for help or for the version:
/// [`print()`] it, and exit with [`exit_status`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let cli = Cli::try_parse_from(arguments).map_err(with_hint)?;
    let command = cli.command.unwrap_or(Command::Serve(cli.daemon));
    if let Some(shard) = command.shard().filter(|flags| flags.shard().is_none()) {
        let message = format!(
            "--shard.index is {}, but the shards are numbered from 0, and --shard.count is {}",
            shard.index, shard.count
        );
        return Err(Cli::command().error(ErrorKind::ValueValidation, message));
    }
    Ok(command)
}

/// Adds a hint to the error about a flag that other exporters have.
fn with_hint(mut error: clap::Error) -> clap::Error {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument
        && ["--config.check", "--config-check"].contains(&&*argument)
    {
        let hint = concat!("to check the configuration, use `", env!("CARGO_PKG_NAME"), " check-config`");
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    }
    error
}

/// Prints an error of [`parse`], or the help or version that the user asked for.
pub fn print(error: &clap::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::DisplayVersion {
        return io::stdout().write_all(version::text().as_bytes());
    }
    error.print()
}

/// The exit status for an error of [`parse`]: 0 for help and version, else 64.
#[must_use]
pub fn exit_status(error: &clap::Error) -> u8 {
    if error.use_stderr() { EXIT_USAGE } else { 0 }
}

impl Command {
    fn shard(&self) -> Option<ShardFlags> {
        match self {
            Self::Serve(flags) => Some(flags.shard),
            Self::Healthcheck(flags) => Some(flags.daemon.shard),
            Self::CheckConfig(flags) => Some(flags.daemon.shard),
            Self::Once(flags) => Some(flags.shard),
            Self::Demo(_) | Self::Simulate(_) | Self::Tunnels(_) | Self::Gateways(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        logging::{Format, Level},
        web::telemetry_path::TelemetryPath,
    };

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        parse(["tencentcloud-vpn-exporter"].into_iter().chain(line.split_whitespace()).map(OsString::from))
    }

    fn command(line: &str) -> Command {
        parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn daemon() -> DaemonFlags {
        DaemonFlags {
            config: ConfigFlags { file: None },
            web: WebFlags {
                listen_addresses: vec![":14500".to_owned()],
                telemetry_path: TelemetryPath::new("/metrics").expect("a path"),
                config_file: None,
                enable_lifecycle: false,
                systemd_socket: false,
                disable_exporter_metrics: false,
                max_requests: 40,
            },
            shard: ShardFlags { index: 0, count: 1 },
            log: LogFlags { level: level("info"), format: Format::Logfmt },
        }
    }

    fn level(text: &str) -> Level {
        Level::parse(text).expect("a level")
    }

    fn config(file: &str) -> ConfigFlags {
        ConfigFlags { file: Some(PathBuf::from(file)) }
    }

    fn region(name: &str) -> Region {
        Region::new(name).expect("a region")
    }

    #[test]
    fn clap_finds_no_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn daemon_runs_without_a_subcommand() {
        assert_eq!(command(""), Command::Serve(daemon()));
        let all = "--config.file c.yml --web.listen-address :9 --web.listen-address=127.0.0.1:0 \
                   --web.listen-address [::1]:9 --web.telemetry-path /m --web.config.file w.yml \
                   --web.enable-lifecycle --web.systemd-socket --web.disable-exporter-metrics \
                   --web.max-requests 0 --shard.index 1 --shard.count 2 \
                   --log.level warn,hyper=debug --log.format json";
        let expected = DaemonFlags {
            config: config("c.yml"),
            web: WebFlags {
                listen_addresses: [":9", "127.0.0.1:0", "[::1]:9"].map(str::to_owned).to_vec(),
                telemetry_path: TelemetryPath::new("/m").expect("a path"),
                config_file: Some(PathBuf::from("w.yml")),
                enable_lifecycle: true,
                systemd_socket: true,
                disable_exporter_metrics: true,
                max_requests: 0,
            },
            shard: ShardFlags { index: 1, count: 2 },
            log: LogFlags { level: level("warn,hyper=debug"), format: Format::Json },
        };
        assert_eq!(command(all), Command::Serve(expected.clone()));
        let healthcheck = |ready| Command::Healthcheck(HealthcheckFlags { ready, daemon: expected.clone() });
        assert_eq!(command(&format!("healthcheck {all}")), healthcheck(false));
        assert_eq!(command(&format!("healthcheck --ready {all}")), healthcheck(true));
    }

    #[test]
    fn flags_describe_the_embedded_api() {
        let DaemonFlags { web, log, .. } = daemon();
        let regions = ["ap-guangzhou", "ap-singapore", "eu-frankfurt"].map(region).to_vec();
        let world = WorldFlags { tunnels: 24, regions, seed: 1 };
        assert_eq!(command("demo"), Command::Demo(DemoFlags { world: world.clone(), web, log: log.clone() }));
        let simulate = SimulateFlags {
            listen_address: ([127, 0, 0, 1], 14501).into(),
            world,
            frozen: false,
            speed: 1.0,
            latency: None,
            faults: None,
            gateway_problem: Vec::new(),
            requests_per_second: 100,
            log,
        };
        assert_eq!(command("simulate"), Command::Simulate(simulate.clone()));
        let line = "simulate --listen-address [::1]:0 --tunnels 5 --regions ap-tokyo,ap-seoul --seed 7 --speed 60 \
                    --latency 250ms --faults faults.json --gateway-problem isolated@30s \
                    --gateway-problem expiring --requests-per-second 5";
        let simulate = SimulateFlags {
            listen_address: "[::1]:0".parse().expect("an address"),
            world: WorldFlags { tunnels: 5, regions: vec![region("ap-tokyo"), region("ap-seoul")], seed: 7 },
            speed: 60.0,
            latency: Some(Duration::from_millis(250)),
            faults: Some(PathBuf::from("faults.json")),
            gateway_problem: ["isolated@30s", "expiring"].map(|text| text.parse().expect("a problem")).into(),
            requests_per_second: 5,
            ..simulate
        };
        assert_eq!(command(line), Command::Simulate(simulate));
    }

    #[test]
    fn tunnels_are_listed_and_deleted() {
        let log = LogFlags { level: level("warn"), ..daemon().log };
        let account = |name| AccountName::new(name).expect("a name");
        let targets =
            TargetFlags { account: vec![account("a"), account("b")], region: vec![region("ap-guangzhou")] };
        let list = ListFlags {
            output: Output::Json,
            targets,
            vpn_gateway_id: vec!["vpngw-1".to_owned()],
            status: vec![TunnelStatus::Up, TunnelStatus::Idle],
            down: false,
            state: vec![TunnelState::Pending, TunnelState::Deleting],
            config: ConfigFlags { file: None },
            log: log.clone(),
        };
        let line = "tunnels list --output json --account a --account b --region ap-guangzhou \
                    --vpn-gateway-id vpngw-1 --state PENDING --state deleting --status up --status IDLE";
        assert_eq!(command(line), Command::Tunnels(TunnelsCommand::List(list)));
        let delete = DeleteFlags {
            account: account("a"),
            region: region("ap-guangzhou"),
            vpn_gateway_id: "vpngw-1".to_owned(),
            vpn_connection_id: TunnelId::new("vpnx-1").expect("an id"),
            yes: false,
            dry_run: false,
            no_wait: false,
            timeout: Duration::from_secs(300),
            config: ConfigFlags { file: None },
            log,
        };
        let line = "tunnels delete --account a --region ap-guangzhou --vpn-gateway-id vpngw-1 \
                    --vpn-connection-id vpnx-1";
        assert_eq!(command(line), Command::Tunnels(TunnelsCommand::Delete(delete.clone())));
        let delete = DeleteFlags { yes: true, dry_run: true, no_wait: true, ..delete };
        assert_eq!(
            command(&format!("{line} --yes --dry-run --no-wait")),
            Command::Tunnels(TunnelsCommand::Delete(delete))
        );
    }

    #[test]
    fn gateways_are_listed() {
        let targets = TargetFlags {
            account: vec![AccountName::new("a").expect("a name")],
            region: vec![region("ap-guangzhou"), region("eu-frankfurt")],
        };
        let list = GatewayListFlags {
            output: Output::Json,
            targets,
            config: config("c.yml"),
            log: LogFlags { level: level("warn"), ..daemon().log },
        };
        let line = "gateways list --output json --account a --region ap-guangzhou --region eu-frankfurt \
                    --config.file c.yml";
        assert_eq!(command(line), Command::Gateways(GatewaysCommand::List(list)));
    }

    #[test]
    fn bad_flag_is_named_and_exits_with_64() {
        let table = [
            ("--bogus", "unexpected argument '--bogus' found"),
            ("bogus", "unrecognized subcommand 'bogus'"),
            ("once --bogus", "unexpected argument '--bogus' found"),
            ("once --web.max-requests 5", "unexpected argument '--web.max-requests' found"),
            ("--config.file a once", "the subcommand 'once' cannot be used with '--config.file <FILE>'"),
            ("tunnels --config.file a list", "unexpected argument '--config.file' found"),
            ("demo --shard.count 2", "unexpected argument '--shard.count' found"),
            (
                "once --config.file a --config.file b",
                "the argument '--config.file <FILE>' cannot be used multiple times",
            ),
            ("--config.file", "a value is required for '--config.file <FILE>' but none was supplied"),
            (
                "--web.listen-address 14500",
                "invalid value '14500' for '--web.listen-address <HOST:PORT>': write host:port, such as :14500, \
                 127.0.0.1:14500 or [::1]:14500",
            ),
            (
                "--web.listen-address ::1:9",
                "invalid value '::1:9' for '--web.listen-address <HOST:PORT>': write host:port, such as :14500, \
                 127.0.0.1:14500 or [::1]:14500",
            ),
            (
                "--web.listen-address :65536",
                "invalid value ':65536' for '--web.listen-address <HOST:PORT>': the port is not a number up to 65535",
            ),
            (
                "--web.listen-address [localhost]:9",
                "invalid value '[localhost]:9' for '--web.listen-address <HOST:PORT>': the text in brackets is not an \
                 IPv6 address",
            ),
            (
                "--web.max-requests -1",
                "invalid value '-1' for '--web.max-requests <NUMBER>': invalid digit found in string",
            ),
            ("--shard.count -1", "invalid value '-1' for '--shard.count <NUMBER>': -1 is not in 1..=1000"),
            ("--shard.count 0", "invalid value '0' for '--shard.count <NUMBER>': 0 is not in 1..=1000"),
            (
                "--shard.index 2 --shard.count 2",
                "--shard.index is 2, but the shards are numbered from 0, and --shard.count is 2",
            ),
            (
                "once --shard.index 1",
                "--shard.index is 1, but the shards are numbered from 0, and --shard.count is 1",
            ),
            (
                "check-config --shard.index 1",
                "--shard.index is 1, but the shards are numbered from 0, and --shard.count is 1",
            ),
            (
                "--log.level inof",
                "invalid value 'inof' for '--log.level <LEVEL>': write error, warn, info, debug, trace, or a filter \
                 such as warn,hyper=debug",
            ),
            (
                "--log.level a=b",
                "invalid value 'a=b' for '--log.level <LEVEL>': error parsing level filter: expected one of \"off\", \
                 \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
            ),
            ("--log.format text", "invalid value 'text' for '--log.format <FORMAT>'"),
            (
                "simulate --latency 5",
                "invalid value '5' for '--latency <DURATION>': is not a duration: time unit needed, for example 5sec or \
                 5ms; write one such as 30s or 1h30m",
            ),
            (
                "simulate --regions ap-guangzhou,Nowhere",
                "invalid value 'Nowhere' for '--regions <REGION>': must not contain 'N'; allowed are lower-case \
                 letters, digits and hyphens",
            ),
            (
                "simulate --listen-address :14501",
                "invalid value ':14501' for '--listen-address <ADDRESS:PORT>': write address:port, such as \
                 127.0.0.1:14501 or [::1]:14501",
            ),
            ("simulate --frozen --speed 2", "the argument '--frozen' cannot be used with '--speed <FACTOR>'"),
            ("tunnels list --state UP", "invalid value 'UP' for '--state <STATE>'"),
            ("tunnels list --status AVAILABLE", "invalid value 'AVAILABLE' for '--status <STATUS>'"),
            (
                "tunnels list --down --status up",
                "the argument '--down' cannot be used with '--status <STATUS>'",
            ),
            ("tunnels delete --account a", "the following required arguments were not provided:"),
            (
                "tunnels delete --no-wait --timeout 5s",
                "the argument '--no-wait' cannot be used with '--timeout <DURATION>'",
            ),
            (
                "tunnels delete --vpn-gateway-id=",
                "a value is required for '--vpn-gateway-id <ID>' but none was supplied",
            ),
        ];
        for (line, message) in table {
            let error = parsed(line).expect_err(line);
            let text = error.to_string();
            assert_eq!(text.lines().next(), Some(format!("error: {message}").as_str()), "{line}");
            assert_eq!(exit_status(&error), 64, "{line}");
        }
    }

    #[test]
    fn missing_subcommand_exits_with_64() {
        for line in ["tunnels", "gateways"] {
            assert_eq!(exit_status(&parsed(line).expect_err("a subcommand is missing")), 64);
        }
    }

    #[test]
    fn empty_web_configuration_means_none() {
        let Command::Serve(flags) = command("--web.config.file=") else { panic!("the daemon") };
        assert_eq!(flags.web.config_file(), None);
    }

    #[test]
    fn flag_of_other_exporters_has_a_hint() {
        for line in ["--config.check", "--config.file c.yml --config.check", "demo --config.check=true"] {
            let error = parsed(line).expect_err(line);
            assert_eq!(exit_status(&error), 64);
            let text = error.to_string();
            assert!(text.contains("unexpected argument '--config.check' found"), "{text}");
            assert!(text.contains("use `tencentcloud-vpn-exporter check-config`"), "{text}");
            assert!(!text.contains("--config.file'"), "{text}");
        }
    }

    #[test]
    fn every_subcommand_has_help_and_version() {
        for line in ["--help", "-h", "help", "once --help", "tunnels delete --help", "help tunnels list"] {
            assert_eq!(exit_status(&parsed(line).expect_err(line)), 0, "{line}");
        }
        for line in ["--version", "-V", "once --version"] {
            let error = parsed(line).expect_err(line);
            assert_eq!((error.kind(), exit_status(&error)), (ErrorKind::DisplayVersion, 0), "{line}");
        }
    }

    #[test]
    fn help_lists_only_usable_flags() {
        let help = parsed("tunnels list --help").expect_err("help").to_string();
        assert!(help.contains("--config.file"), "{help}");
        assert!(!help.contains("--web."), "{help}");
    }
}
