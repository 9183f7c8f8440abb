//! The HTTP server: what is known, served to anyone who is allowed to ask.
//!
//! Owns listening, connections and their limits, TLS, authentication and the routes. It knows nothing of Tencent Cloud
//! and renders nothing: expositions and pages come from outside, as bytes.

mod activity;
mod body;
mod connection;
mod connections;
mod encoding;
mod limits;
mod listen;
mod places;
mod routes;
mod server;
mod site;
mod socket;
mod status_page;

pub use limits::Limits;
pub use listen::{BindError, bind};
pub use server::serve;
pub use site::{InvalidTelemetryPath, Page, ReloadRequest, Site, TelemetryPath, landing_page};
pub use status_page::StatusPage;
