//! The HTTP server over real sockets.

mod auth;
mod healthcheck;
mod limits;
mod routes;
mod stop;
mod tls;
mod toolkit;
