//! What is known, as Prometheus metrics: families over the snapshot, and the exposition that scrapes are served.

mod compress;
pub mod exposition;
mod family;
mod plain;
mod process;
mod target;
mod tunnel;

pub use exposition::{Exposition, Renderer};
pub use plain::Plain;
