//! The command line: flags and subcommands as types.
//!
//! Flags of the daemon may stand before a subcommand as well as after it. A flag that a subcommand has no use for is
//! refused there, not ignored. No secret is ever taken from here.

mod flags;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser, error::ErrorKind,
};

pub use flags::{ConfigFlags, LogFlags, ShardFlags, WebFlags, WorldFlags};

use crate::{
    config::duration,
    domain::{AccountName, Region, TunnelId, TunnelState},
    version,
};

/// The exit status for a bad flag or configuration.
pub const EXIT_USAGE: u8 = 64;

/// Exports the states of Tencent Cloud's VPN tunnels to Prometheus.
///
/// Without a subcommand it runs as a daemon: it polls the VPC API of each account and region in the background, and
/// serves what it last saw. Without --config.file it watches one account, by the default chain of credentials, in the
/// regions that TENCENTCLOUD_REGION lists, at the site in TENCENTCLOUD_VPN_EXPORTER_SITE (international or china). It
/// exits with 0 after SIGTERM or SIGINT, with 64 for a bad flag or configuration, and with 1 for anything else.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "the help shows this text as it is")]
#[command(bin_name = env!("CARGO_PKG_NAME"), version = version::LONG, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    daemon: DaemonFlags,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// No subcommand: run the daemon.
    #[command(skip)]
    Serve(DaemonFlags),
    /// Run the daemon against the embedded VPC API, with tunnels that change state; needs no account.
    Demo(DemoFlags),
    /// Run the embedded VPC API alone, for any client; prints the credentials that it accepts.
    Simulate(SimulateFlags),
    /// Read the configuration and print every problem; exits with 0 if there is none, else with 64.
    CheckConfig(CheckConfigFlags),
    /// Poll every target once and print the metrics; exits with 0 only if every target answered.
    Once(OnceFlags),
    /// Ask the daemon that the same flags describe whether it is healthy; exits with 0 or 1.
    Healthcheck(HealthcheckFlags),
    /// Look at tunnels, and delete them.
    #[command(subcommand)]
    Tunnels(TunnelsCommand),
}

/// The flags of the daemon.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DaemonFlags {
    /// What is configured.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How metrics are served.
    #[command(flatten)]
    pub web: WebFlags,
    /// Which share of the targets is polled.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// The flags of `demo`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DemoFlags {
    /// What the embedded API shows.
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
    /// Where to listen; port 0 picks a free port. What is served there is plain HTTP.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:14501", value_parser = flags::socket_address)]
    pub listen_address: std::net::SocketAddr,
    /// What the embedded API shows.
    #[command(flatten)]
    pub world: WorldFlags,
    /// Keep every tunnel up, instead of letting some of them fail and recover.
    #[arg(long)]
    pub frozen: bool,
    /// How many seconds pass for the tunnels in each real second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, conflicts_with = "frozen")]
    pub speed: f64,
    /// How long each answer is held back, such as 250ms; not at all without this flag.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub latency: Option<Duration>,
    /// What goes wrong from the start: a file with a JSON list of faults.
    ///
    /// Such as [{"region": "eu-frankfurt", "share": 0.5, "kind": "reset"}, {"kind": {"latency": {"milliseconds": 3000}}}].
    /// The same list, sent by POST to the path /_faults from this machine, takes the place of the faults in force at any
    /// time, and [] ends them; GET shows them.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// How many requests a second are answered before callers are throttled; Tencent Cloud's own limit is 100.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub requests_per_second: usize,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// The flags of `check-config`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct CheckConfigFlags {
    /// Also call each account and region once, and report what its credentials may do there.
    #[arg(long)]
    pub probe: bool,
    /// What the daemon would be started with.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

/// The flags of `healthcheck`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct HealthcheckFlags {
    /// Ask whether it is ready: whether every target's first poll has finished, successful or not.
    #[arg(long)]
    pub ready: bool,
    /// What the daemon was started with.
    #[command(flatten)]
    pub daemon: DaemonFlags,
}

/// The flags of `once`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct OnceFlags {
    /// What is configured.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// Which share of the targets is polled.
    #[command(flatten)]
    pub shard: ShardFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What is to be done with tunnels.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum TunnelsCommand {
    /// Print all tunnels and their states, of every account and region that is configured.
    ///
    /// Flags that are repeated widen what is shown; different flags narrow it.
    List(ListFlags),
    /// Delete one tunnel: asks first, and waits until it is gone.
    ///
    /// The tunnel must be named in full. Its account and region must be among those that are configured, and the
    /// account's credentials must allow vpc:DeleteVpnConnection, which the daemon itself never needs.
    Delete(DeleteFlags),
}

/// The flags of `tunnels list`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("level", quiet))]
pub struct ListFlags {
    /// How the tunnels are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Only tunnels of this account; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    pub account: Vec<AccountName>,
    /// Only tunnels in this region; may be repeated.
    #[arg(long, value_name = "REGION", value_parser = Region::new)]
    pub region: Vec<Region>,
    /// Only tunnels of this gateway, such as vpngw-6x0wxvtp; may be repeated.
    #[arg(long, value_name = "ID")]
    pub vpn_gateway_id: Vec<String>,
    /// Only tunnels in this state of their life; may be repeated.
    #[arg(long, value_name = "STATE", value_parser = flags::tunnel_state(), ignore_case = true)]
    pub state: Vec<TunnelState>,
    /// Only tunnels whose link is down; idle ones, which merely wait for traffic, are not.
    #[arg(long)]
    pub down: bool,
    /// What is configured.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// How tunnels are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people.
    Table,
    /// One JSON document for programs.
    Json,
}

/// The flags of `tunnels delete`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(mut_arg("level", quiet))]
pub struct DeleteFlags {
    /// The account of the tunnel, by its name in the configuration; without a file it is "default", unless the environment
    /// names it.
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
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Show what would be deleted, and delete nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Return once Tencent Cloud has accepted the request, without waiting until the tunnel is gone.
    #[arg(long, conflicts_with = "timeout")]
    pub no_wait: bool,
    /// How long to try, and to wait until the tunnel is gone.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub timeout: Duration,
    /// What is configured.
    #[command(flatten)]
    pub config: ConfigFlags,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Has people at a terminal read no more of the log than what is wrong, unless they ask for it.
fn quiet(level: clap::Arg) -> clap::Arg {
    level.default_value("warn")
}

/// Reads a command line, the program's name first. The error is also how `--help` and `--version` are answered: print
/// it, and exit with [`exit_status`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let cli = Cli::try_parse_from(flags_last(arguments))?;
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

/// The exit status that belongs to an error of [`parse`]: 0 for help and version, else 64.
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
            Self::Demo(_) | Self::Simulate(_) | Self::Tunnels(_) => None,
        }
    }
}

/// Moves flags that stand before a subcommand behind it, where it can say for each whether it has a use for it.
fn flags_last(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let root = Cli::command();
    let takes_value = |flag: &str| {
        let mut arguments = root.get_arguments();
        arguments.any(|argument| argument.get_long() == Some(flag) && argument.get_action().takes_values())
    };
    let mut arguments = arguments.into_iter().peekable();
    let mut words: Vec<OsString> = arguments.next().into_iter().collect();
    let (mut command, mut flags) = (&root, Vec::new());
    while let Some(argument) = arguments.peek() {
        if let Some(subcommand) = command.find_subcommand(argument) {
            command = subcommand;
            words.extend(arguments.next());
        } else if let Some(flag) = argument.to_str().and_then(|argument| argument.strip_prefix("--"))
            && !flag.is_empty()
        {
            let has_value_next = takes_value(flag);
            flags.extend(arguments.next());
            flags.extend(arguments.next_if(|_| has_value_next));
        } else {
            break;
        }
    }
    words.extend(flags.into_iter().chain(arguments));
    words
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{logging::Format, web::telemetry_path::TelemetryPath};

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
                max_requests: 40,
            },
            shard: ShardFlags { index: 0, count: 1 },
            log: LogFlags { level: "info".to_owned(), format: Format::Logfmt },
        }
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
    fn without_a_subcommand_the_daemon_is_meant() {
        assert_eq!(command(""), Command::Serve(daemon()));
        let all = "--config.file c.yml --web.listen-address :9 --web.listen-address=127.0.0.1:0 \
                   --web.listen-address [::1]:9 --web.telemetry-path /m --web.config.file w.yml \
                   --web.enable-lifecycle --web.max-requests 0 --shard.index 1 --shard.count 2 \
                   --log.level warn,hyper=debug --log.format json";
        let expected = DaemonFlags {
            config: config("c.yml"),
            web: WebFlags {
                listen_addresses: [":9", "127.0.0.1:0", "[::1]:9"].map(str::to_owned).to_vec(),
                telemetry_path: TelemetryPath::new("/m").expect("a path"),
                config_file: Some(PathBuf::from("w.yml")),
                enable_lifecycle: true,
                max_requests: 0,
            },
            shard: ShardFlags { index: 1, count: 2 },
            log: LogFlags { level: "warn,hyper=debug".to_owned(), format: Format::Json },
        };
        assert_eq!(command(all), Command::Serve(expected.clone()));
        let healthcheck = |ready| Command::Healthcheck(HealthcheckFlags { ready, daemon: expected.clone() });
        assert_eq!(command(&format!("healthcheck {all}")), healthcheck(false));
        assert_eq!(command(&format!("{all} healthcheck --ready")), healthcheck(true));
    }

    #[test]
    fn flags_may_stand_on_either_side_of_a_subcommand() {
        let DaemonFlags { shard, log, .. } = daemon();
        let once = Command::Once(OnceFlags { config: config("once"), shard, log });
        for line in ["once --config.file once", "--config.file once once", "--config.file=once once"] {
            assert_eq!(command(line), once, "{line}");
        }
        let check = CheckConfigFlags { probe: true, daemon: DaemonFlags { config: config("c"), ..daemon() } };
        for line in ["--config.file c check-config --probe", "check-config --probe --config.file c"] {
            assert_eq!(command(line), Command::CheckConfig(check.clone()), "{line}");
        }
        let list = command("tunnels list --config.file c --down");
        for line in ["--config.file c tunnels list --down", "tunnels --config.file c list --down"] {
            assert_eq!(command(line), list, "{line}");
        }
    }

    #[test]
    fn the_embedded_api_is_shaped_by_flags() {
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
            requests_per_second: 100,
            log,
        };
        assert_eq!(command("simulate"), Command::Simulate(simulate.clone()));
        let line = "simulate --listen-address [::1]:0 --tunnels 5 --regions ap-tokyo,ap-seoul --seed 7 --speed 60 \
                    --latency 250ms --faults faults.json --requests-per-second 5";
        let simulate = SimulateFlags {
            listen_address: "[::1]:0".parse().expect("an address"),
            world: WorldFlags { tunnels: 5, regions: vec![region("ap-tokyo"), region("ap-seoul")], seed: 7 },
            speed: 60.0,
            latency: Some(Duration::from_millis(250)),
            faults: Some(PathBuf::from("faults.json")),
            requests_per_second: 5,
            ..simulate
        };
        assert_eq!(command(line), Command::Simulate(simulate));
    }

    #[test]
    fn tunnels_are_listed_and_deleted() {
        let log = LogFlags { level: "warn".to_owned(), ..daemon().log };
        let account = |name| AccountName::new(name).expect("a name");
        let list = ListFlags {
            output: Output::Json,
            account: vec![account("a"), account("b")],
            region: vec![region("ap-guangzhou")],
            vpn_gateway_id: vec!["vpngw-1".to_owned()],
            state: vec![TunnelState::Pending, TunnelState::Deleting],
            down: true,
            config: ConfigFlags { file: None },
            log: log.clone(),
        };
        let line = "tunnels list --output json --account a --account b --region ap-guangzhou \
                    --vpn-gateway-id vpngw-1 --state PENDING --state deleting --down";
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
    fn a_bad_flag_is_told_exactly_and_exits_with_64() {
        let table = [
            ("--bogus", "unexpected argument '--bogus' found"),
            ("bogus", "unrecognized subcommand 'bogus'"),
            ("once --bogus", "unexpected argument '--bogus' found"),
            ("--web.max-requests 5 once", "unexpected argument '--web.max-requests' found"),
            ("demo --shard.count 2", "unexpected argument '--shard.count' found"),
            (
                "--config.file a once --config.file b",
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
                "invalid value '[localhost]:9' for '--web.listen-address <HOST:PORT>': what is in brackets is not an \
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
                "invalid value '5' for '--latency <DURATION>': has no unit; write one of d, h, m, s and ms after the \
                 number",
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
        assert_eq!(exit_status(&parsed("tunnels").expect_err("a subcommand is missing")), 64);
    }

    #[test]
    fn help_and_version_are_answered_everywhere() {
        for line in [
            "--help",
            "-h",
            "help",
            "once --help",
            "--help once",
            "tunnels delete --help",
            "help tunnels list",
        ] {
            assert_eq!(exit_status(&parsed(line).expect_err(line)), 0, "{line}");
        }
        for line in ["--version", "-V", "once --version"] {
            let error = parsed(line).expect_err(line);
            assert_eq!(exit_status(&error), 0, "{line}");
            assert!(error.to_string().contains(version::LONG), "{error}");
        }
    }

    #[test]
    fn a_subcommands_help_shows_only_what_it_takes() {
        let help = parsed("tunnels list --help").expect_err("help").to_string();
        assert!(help.contains("--config.file"), "{help}");
        assert!(!help.contains("--web."), "{help}");
    }
}
