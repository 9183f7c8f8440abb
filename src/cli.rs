//! Flags (provisional).
#![allow(missing_docs)]
use crate::{domain::Region, logging::Format, simulator, web::TelemetryPath};
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(flatten)]
    pub daemon: Daemon,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Args)]
pub struct Daemon {
    #[arg(long = "config.file", global = true)]
    pub config_file: Option<PathBuf>,
    #[arg(long = "web.listen-address", global = true, default_value = ":14500")]
    pub listen_addresses: Vec<String>,
    #[arg(long = "web.telemetry-path", global = true, default_value = "/metrics", value_parser = TelemetryPath::new)]
    pub telemetry_path: TelemetryPath,
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,
    #[arg(long = "web.max-requests", global = true, default_value_t = 40)]
    pub max_requests: usize,
    #[arg(long = "log.level", global = true, default_value = "info")]
    pub log_level: String,
    #[arg(long = "log.format", global = true, default_value = "logfmt", value_parser = format)]
    pub log_format: Format,
}
fn format(text: &str) -> Result<Format, String> {
    match text {
        "logfmt" => Ok(Format::Logfmt),
        "json" => Ok(Format::Json),
        _ => Err("logfmt or json".into()),
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(Demo),
    Simulate(Simulate),
    CheckConfig(CheckConfig),
    Once,
    Healthcheck,
}
#[derive(Debug, Args)]
pub struct World {
    #[arg(long, default_value_t = 24)]
    pub tunnels: usize,
    #[arg(long, value_delimiter = ',', default_value = "ap-guangzhou,ap-singapore,eu-frankfurt")]
    pub regions: Vec<String>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    pub latency: Duration,
}
impl World {
    fn options(&self) -> anyhow::Result<simulator::Options> {
        let regions = self.regions.iter().map(|name| Region::new(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(simulator::Options {
            regions: simulator::Options::spread(self.tunnels, &regions),
            seed: self.seed,
            latency: self.latency,
            ..simulator::Options::default()
        })
    }
}
#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub world: World,
}
impl Demo {
    pub fn options(&self) -> anyhow::Result<simulator::Options> {
        self.world.options()
    }
}
#[derive(Debug, Args)]
pub struct Simulate {
    #[arg(long, default_value = "127.0.0.1:14501")]
    pub listen_address: SocketAddr,
    #[command(flatten)]
    pub world: World,
}
impl Simulate {
    pub fn options(&self) -> anyhow::Result<simulator::Options> {
        self.world.options()
    }
}
#[derive(Debug, Args)]
pub struct CheckConfig {
    #[arg(long)]
    pub probe: bool,
}
