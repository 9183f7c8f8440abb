//! The HTTP server over real sockets.

mod auth;
mod healthcheck;
mod http2;
mod limits;
mod routes;
mod stop;
mod tls;
