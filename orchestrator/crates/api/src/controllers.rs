//! Handlers, one file per resource. Each extracts, authorises, calls the domain and answers.

pub mod aliases;
pub mod answer;
pub mod deployments;
pub mod execute;
pub mod functions;
pub mod health;
pub mod logs;
pub mod packages;
pub mod projects;
pub mod public;
pub mod runtimes;
pub mod scaling;
pub mod secrets;
pub mod storage;
pub mod versions;

use http::StatusCode;

/// 204.
pub const GONE: StatusCode = StatusCode::NO_CONTENT;
