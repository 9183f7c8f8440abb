//! The HTTP server over real sockets.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "this crate is its own only user")]

mod limits;
mod rig;
mod routes;
mod stop;
