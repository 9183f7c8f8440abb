//! When targets are polled, and how one poll reads them: all pages or nothing, within the account's rate limit.

mod api;
pub mod discovery;
pub mod failure;
mod fleet;
pub mod limit;
pub mod listing;
mod poller;
mod schedule;

pub use api::{AccountApi, TargetApi};
pub use fleet::{Fleet, Plan};
pub use poller::{Settings, poll};
