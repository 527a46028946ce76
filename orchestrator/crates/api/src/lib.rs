//! The native HTTP API: the handlers of its routes, and the metrics.

pub mod controllers;
pub mod metrics;
