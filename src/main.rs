//! The process: parse, dispatch, exit code.

use std::process::ExitCode;

use tencentcloud_vpn_exporter::{cli, commands};

#[tokio::main]
async fn main() -> ExitCode {
    end_on_panic();
    match cli::parse(std::env::args_os()) {
        Ok(command) => commands::run(command).await,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            let _ = error.print();
            ExitCode::from(cli::exit_status(&error))
        }
    }
}

/// A process in which one part is dead and the others go on would show old states for ever: better none at all.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(1);
    }));
}
