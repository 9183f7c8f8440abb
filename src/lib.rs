//! Prometheus exporter for the VPN tunnels of Tencent Cloud.

pub mod cli;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod simulator;
pub mod version;
pub mod web;
