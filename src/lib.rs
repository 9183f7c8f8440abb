//! Prometheus exporter for the VPN tunnels of Tencent Cloud.
//!
//! One tunnel's way through the code, which is also the order in which to read it:
//!
//! ```text
//! config ──> wiring ──> poll ─────────────> snapshot ───────> metrics ──────────> web
//! what to    accounts,  when, how often,    what was last     exposition, ready   /metrics, /
//! watch      settings   all pages or none   seen; what        before a scrape
//!                         │      ▲          changed           asks for it
//!                         ▼      │
//!                       tencent: an account's calls, responses as domain types
//!                         │      ▲
//!                         ▼      │  HTTP
//!                       Tencent Cloud, or the simulator
//! ```
//!
//! [`app`] puts these together and watches them; [`commands`] is what the command line can ask for, [`cli`] how it asks.
//! [`domain`] has the words that all of them share, [`telemetry`] the counters that they increment, and [`regular_file`]
//! reads their files.

pub mod domain;
pub mod regular_file;

pub mod config;
pub mod wiring;

pub mod poll;
pub mod tencent;

pub mod snapshot;
pub mod telemetry;

pub mod metrics;
pub mod web;

pub mod app;

pub mod cli;
pub mod commands;
pub mod logging;
pub mod version;
