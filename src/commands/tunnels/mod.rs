//! `tunnels`: looks at tunnels, and deletes them.

mod delete;
mod list;

use super::{Failure, one_line, plain_table};
use crate::cli::TunnelsCommand;

pub(super) async fn run(command: &TunnelsCommand) -> Result<(), Failure> {
    match command {
        TunnelsCommand::List(flags) => list::run(flags).await,
        TunnelsCommand::Delete(flags) => delete::run(flags).await,
    }
}
