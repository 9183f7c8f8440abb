//! The HTTP server: what is known, served to anyone who is allowed to ask.
//!
//! Owns listening, connections and their limits, TLS, authentication, the routes and the status page. It knows nothing of
//! Tencent Cloud's API, nor which metrics there are: the exposition comes from outside, ready to be sent.

mod activity;
mod answer;
mod auth;
mod body;
mod client_cert;
mod config;
mod connection;
mod connections;
mod encoding;
mod healthcheck;
mod limits;
mod listen;
mod places;
mod protection;
mod routes;
mod server;
mod site;
mod socket;
mod status_page;
mod streams;
mod tls;

pub use healthcheck::{HealthcheckError, Question, healthcheck};
pub use limits::Limits;
pub use listen::{BindError, bind};
pub use protection::{Protection, WebConfigError};
pub use server::serve;
pub use site::{InvalidTelemetryPath, Page, ReloadRequest, Site, TelemetryPath};
pub use status_page::StatusPage;
pub use tls::TlsError;
