//! The HTTP server: listening, TLS, authentication, limits, the routes and the status page.
//!
//! It does not depend on Tencent Cloud's API or on specific metrics. It receives a finished exposition.

mod auth;
mod certificate;
mod client_cert;
mod encoding;
pub mod healthcheck;
pub mod limits;
pub mod listen;
mod origin;
pub mod protection;
mod request_limit;
mod response;
mod routes;
mod scrape_limit;
pub mod server;
pub mod state;
pub mod status_page;
pub mod telemetry_path;
pub mod tls;
mod warning_limit;
mod web_config;
