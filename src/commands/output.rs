//! The output of commands: text on standard output, problems on standard error.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use super::error::CommandError;
use crate::{cli::EXIT_USAGE, domain::display::is_unsafe_for_display};

/// Writes to standard output. A closed pipe (for example `| head`) is not reported.
pub(super) fn print(text: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CommandError::AlreadyReported,
        _ => anyhow::Error::new(error).context("cannot write to standard output").into(),
    })
}

/// Writes a message to standard error. If standard error is closed, only the exit status reports the failure.
pub(super) fn print_error(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Prints the message of a command's error, and returns the exit status.
pub(super) fn exit_with(error: CommandError) -> ExitCode {
    match error {
        CommandError::Usage(problems) => {
            print_error(&problems);
            ExitCode::from(EXIT_USAGE)
        }
        CommandError::Other(error) => {
            print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
        CommandError::AlreadyReported => ExitCode::FAILURE,
    }
}

/// Reports a problem in one line on standard error.
pub(super) fn report(problem: impl fmt::Display) {
    print_error(&one_line(&problem.to_string()));
}

/// A text from the API as one harmless line.
pub(super) fn one_line(text: &str) -> String {
    text.replace(is_unsafe_for_display, " ")
}
