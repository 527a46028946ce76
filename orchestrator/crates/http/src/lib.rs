//! What every route stands on: who calls, what a request says, what a function's settings may be, how errors are
//! written, and the layers around all handlers.

pub mod api;
pub mod auth;
pub mod cors;
pub mod error;
pub mod extract;
pub mod headers;
pub mod middleware;
pub mod package;
pub mod place;
pub mod settings;
pub mod trace;
