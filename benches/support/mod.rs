//! What the benchmarks share: the simulated API and the daemon in processes of their own, polls, and ways to measure.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each benchmark is a crate and uses its own part of this module"
)]

pub mod measure;
pub mod obvious;
pub mod process;
pub mod world;
