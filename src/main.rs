//! The process: reads the command line, runs the command, and exits with its status.

use std::process::ExitCode;

use tencentcloud_vpn_exporter::{
    cli::{self, Command},
    commands,
};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    exit_on_panic();
    match cli::parse(std::env::args_os()) {
        Ok(command) => run(command),
        Err(error) => {
            // If the terminal is closed, only the exit status reports the error.
            let _ = cli::print(&error);
            ExitCode::from(cli::exit_status(&error))
        }
    }
}

fn run(command: Command) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(commands::run(command));
    // A thread that reads a file from a hung mount must not delay the exit.
    runtime.shutdown_background();
    status
}

/// Exits with 1 after a panic in any task: if the other tasks continued, the metrics would show old states forever.
fn exit_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::exit(1);
    }));
}

#[cfg(test)]
mod tests {
    use std::{env, thread};

    use super::*;

    /// Set in the process that panics.
    const CHILD: &str = "EXIT_ON_PANIC_CHILD";

    #[test]
    fn panic_in_a_task_exits_with_1() {
        if env::var_os(CHILD).is_some() {
            exit_on_panic();
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.spawn(async { panic!("this task failed") });
            // The main thread continues.
            loop {
                thread::park();
            }
        }
        let name = thread::current().name().expect("tests are named").to_owned();
        let child = std::process::Command::new(env::current_exe().expect("a path"))
            .args(["--exact", &name, "--nocapture"])
            .env(CHILD, "yes")
            .output()
            .expect("it can be started");
        assert_eq!(child.status.code(), Some(1));
        let message = String::from_utf8_lossy(&child.stderr);
        assert!(message.contains("this task failed"), "{message}");
    }
}
