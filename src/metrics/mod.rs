//! Rendering of what is known as Prometheus metrics.

pub mod exposition;
