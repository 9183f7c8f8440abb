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
//! The files on this way, in order:
//!
//! - the request: `poll/fleet.rs`, `poll/poller.rs`, `domain/row.rs`, `poll/listing.rs`, `tencent/action.rs`, `tencent/page.rs`,
//!   `tencent/account.rs`, `tencent/caller.rs`, `tencent/client.rs`, `tencent/sign.rs`, `tencent/transport.rs`
//! - the response: `tencent/client.rs`, `tencent/body.rs`, `tencent/envelope.rs`, `tencent/page.rs`,
//!   `tencent/describe_vpn_connections.rs`, `tencent/row_fields.rs`, `tencent/field.rs`, `domain/tunnel.rs`,
//!   `domain/status.rs`, `domain/tunnel_status.rs`
//! - the listing: `poll/reading.rs`, `domain/listing.rs`, `poll/poller.rs`
//! - the snapshot: `snapshot.rs`, `snapshot/listed.rs`, `snapshot/record.rs`
//! - the exposition: `metrics/renderer.rs`, `metrics/mod.rs`, `metrics/section.rs`, `metrics/tunnel.rs`, `metrics/family.rs`,
//!   `metrics/compress.rs`, `metrics/exposition.rs`
//! - the scrape: `web/server.rs`, `web/routes.rs`, `web/state.rs`, `web/response.rs`, `metrics/plain.rs`
//!
//! Gateways and customer gateways come the same way, by a second task for each target: `poll/gateways.rs`,
//! `tencent/describe_vpn_gateways.rs`, `domain/gateway.rs`, `domain/gateway_status.rs`, `snapshot/gateways.rs`,
//! `metrics/gateway.rs`, and the same files of customer gateways.
//!
//! Traffic comes the same way, by a third task for each target, but without listings: `poll/traffic.rs`,
//! `tencent/get_monitor_data.rs`, `domain/traffic.rs`, `snapshot/traffic.rs`, `metrics/traffic.rs`.
//!
//! [`app`] puts these together and watches them; [`commands`] has the subcommands, [`cli`] their flags.
//! [`domain`] has the types that all modules share, [`telemetry`] the counters that `poll`, `tencent` and `app` write;
//! [`regular_file`] reads files.

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
