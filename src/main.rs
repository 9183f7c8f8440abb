//! The process: parse, dispatch, exit code.

use std::process::ExitCode;

use tencentcloud_vpn_exporter::{cli, commands};

fn main() -> ExitCode {
    end_on_panic();
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(cli::exit_status(&error));
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(commands::run(command));
    // A thread that reads a file on a hung mount must not delay the exit.
    runtime.shutdown_background();
    status
}

/// A process in which one part is dead and the others go on would show old states for ever: better none at all.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        commands::end_soon(1);
        print(panic);
        std::process::exit(1);
    }));
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command, thread};

    use super::*;

    /// Set for the process that is to end.
    const VICTIM: &str = "END_ON_PANIC_VICTIM";

    #[test]
    fn a_panic_in_any_task_ends_the_process_with_status_1_and_a_message() {
        if env::var_os(VICTIM).is_some() {
            end_on_panic();
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.spawn(async { panic!("one part is dead") });
            // The others go on.
            loop {
                thread::park();
            }
        }
        let name = thread::current().name().expect("tests are named").to_owned();
        let victim = Command::new(env::current_exe().expect("a path"))
            .args(["--exact", &name, "--nocapture"])
            .env(VICTIM, "yes")
            .output()
            .expect("it can be started");
        assert_eq!(victim.status.code(), Some(1));
        let message = String::from_utf8_lossy(&victim.stderr);
        assert!(message.contains("one part is dead"), "{message}");
    }
}
