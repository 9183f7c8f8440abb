//! `tunnels`: looks at tunnels, and deletes them.

mod delete;
mod list;

use super::Failure;
use crate::cli::TunnelsCommand;

pub(super) async fn run(command: &TunnelsCommand) -> Result<(), Failure> {
    match command {
        TunnelsCommand::List(flags) => list::run(flags).await,
        TunnelsCommand::Delete(flags) => delete::run(flags).await,
    }
}

/// A text from the cloud in one line of a terminal, whatever is in it.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
