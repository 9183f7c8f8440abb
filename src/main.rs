//! The process: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use tencentcloud_vpn_exporter::{cli::Cli, commands};

#[tokio::main]
async fn main() -> ExitCode {
    end_on_panic();
    commands::run(Cli::parse()).await
}

/// A process in which one part is dead and the others go on would show old states for ever: better none at all.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(1);
    }));
}
