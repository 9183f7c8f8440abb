//! Prometheus exporter for the VPN tunnels of Tencent Cloud.

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod domain;
pub mod logging;
pub mod metrics;
pub mod poll;
pub mod simulator;
pub mod snapshot;
pub mod telemetry;
pub mod tencent;
pub mod version;
pub mod web;
pub mod wiring;
