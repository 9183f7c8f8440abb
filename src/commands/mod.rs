//! The subcommands, one short file each, and the files that they share. This file only dispatches.

mod check_config;
mod context;
mod demo;
mod error;
mod gateways;
mod healthcheck;
mod once;
mod output;
mod poll_once;
mod probe;
mod selection;
mod serve;
mod signals;
mod simulate;
mod systemd;
mod table;
mod tunnels;

use std::process::ExitCode;

use signals::handle_signals;

use crate::cli::{Command, GatewaysCommand, TunnelsCommand};

/// Runs a command and returns its exit status.
pub async fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Serve(flags) => handle_signals(async |signals| serve::run(&flags, signals).await).await,
        Command::Demo(flags) => handle_signals(async |signals| demo::run(&flags, signals).await).await,
        Command::Simulate(flags) => {
            handle_signals(async |signals| simulate::run(&flags, signals).await).await
        }
        Command::CheckConfig(flags) => check_config::run(&flags).await,
        Command::Once(flags) => once::run(&flags).await,
        Command::Healthcheck(flags) => healthcheck::run(&flags).await,
        Command::Tunnels(TunnelsCommand::List(flags)) => tunnels::list::run(&flags).await,
        Command::Tunnels(TunnelsCommand::Delete(flags)) => tunnels::delete::run(&flags).await,
        Command::Gateways(GatewaysCommand::List(flags)) => gateways::list(&flags).await,
    };
    result.map_or_else(output::exit_with, |()| ExitCode::SUCCESS)
}
