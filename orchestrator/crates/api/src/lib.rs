//! The HTTP API: every route, its handler, and the document that describes them.

pub mod controllers;
pub mod metrics;
pub mod openapi;
pub mod router;
