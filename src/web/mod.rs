//! The HTTP server: listening, TLS, authentication, limits, the routes and the status page.
//!
//! It depends neither on Tencent Cloud's API nor on which metrics there are: the exposition comes from outside, ready to
//! be sent. Import from the modules below.

mod auth;
mod client_cert;
mod encoding;
pub mod healthcheck;
pub mod limits;
pub mod listen;
pub mod protection;
mod response;
mod routes;
mod scrape_limit;
pub mod server;
pub mod state;
pub mod status_page;
mod subject_alt_names;
pub mod telemetry_path;
pub mod tls;
mod warning_limit;
mod web_config;
