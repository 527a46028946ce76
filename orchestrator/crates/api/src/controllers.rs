//! Handlers, one file per resource. Each extracts, authorises, calls the domain and answers.

pub mod dashboard;
pub mod deployments;
pub mod edge_functions;
pub mod execute;
pub mod execution_logs;
pub mod function_service;
pub mod functions;
pub mod health;
pub mod inline;
pub mod invoke;
pub mod listed_functions;
pub mod logs;
pub mod projects;
pub mod public;
pub mod runtimes;

mod answer;
mod at_once;

use http::StatusCode;

/// 204.
const GONE: StatusCode = StatusCode::NO_CONTENT;
