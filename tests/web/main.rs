//! The HTTP server over real sockets.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "this crate is its own only user")]

mod auth;
mod healthcheck;
mod http2;
mod limits;
mod pki;
mod rig;
mod routes;
mod stop;
mod tls;
