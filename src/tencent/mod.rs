//! Tencent Cloud's API, version 3.0: calls for an account, and one file for each action.
//!
//! It must not depend on pollers, the snapshot or the exposition. It counts requests through `telemetry`.

pub mod account;
pub mod action;
mod body;
pub mod caller;
pub mod client;
pub mod credentials;
pub mod envelope;
pub mod error;
mod field;
pub mod page;
pub mod rate_limit;
mod retry;
mod row_fields;
pub mod sign;
pub mod transport;

pub mod assume_role;
pub mod assume_role_with_web_identity;
pub mod delete_vpn_connection;
pub mod describe_customer_gateways;
pub mod describe_regions;
pub mod describe_vpn_connections;
pub mod describe_vpn_gateways;
pub mod get_monitor_data;
