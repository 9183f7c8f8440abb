//! Tests of the exporter and its deployment files with real tools: Prometheus, VictoriaMetrics, Alertmanager, Chromium, the
//! official SDK, podman, helm.
//!
//! `tests/run` installs the tools and runs these tests; a plain `cargo test` ignores them.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "this crate is its own only user")]

mod browser;
mod clients;
mod clock;
mod kit;
mod namespaces;
mod prometheus;
mod sdk;
mod sdk_client;
