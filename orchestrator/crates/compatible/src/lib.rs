//! The routes of other products' clients, each an adapter over the same domain as the native API's.

pub mod dashboard;
pub mod edge_functions;
pub mod execution_logs;
pub mod function_service;
pub mod inline;
pub mod invoke;
pub mod listed_functions;
pub mod uploads;
pub mod versions;

mod at_once;
