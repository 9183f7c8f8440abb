//! Shared by the benchmarks: the simulated API and the daemon as processes, polls, and measurements.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each benchmark is a crate and uses its own part of this module"
)]

pub mod baseline;
pub mod measure;
pub mod process;
pub mod world;
