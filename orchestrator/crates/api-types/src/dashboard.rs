//! The dashboard's shapes: names in camel case, numbered pages.

use cloudbox_types::{Name, Record, RecordStatus};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Function;

/// A function, with what a caller of `/invoke` needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ListedFunction {
    /// The function.
    #[serde(flatten)]
    pub function: Function,
    /// Whether a call needs a credential.
    pub requires_api_key: bool,
    /// Where it is called by its id.
    #[schema(example = "/invoke/123")]
    pub invoke_url: String,
}

impl ListedFunction {
    /// A function as its users see it: secrets masked, `public_url` (without a slash at its end) before its paths.
    #[must_use]
    pub fn new(function: cloudbox_types::Function, public_url: &str) -> Self {
        Self {
            requires_api_key: !function.settings.is_public,
            invoke_url: format!("{public_url}/invoke/{}", function.id),
            function: Function::new(function, public_url),
        }
    }
}

/// What is kept of one call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionLog {
    /// The invocation's id.
    #[schema(format = "uuid")]
    pub id: String,
    /// Which function.
    pub function_id: i64,
    /// Its name.
    pub function_name: String,
    /// Which version of it.
    pub version: i64,
    /// When the call was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// `success`, `error` or `timeout`.
    #[schema(example = "success")]
    pub status: String,
    /// The HTTP status that the caller got.
    pub status_code: u16,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// Milliseconds in the sandbox.
    pub execution_time: f64,
    /// Bytes at the sandbox's highest; 0 where unknown.
    pub memory_used: u64,
    /// Bytes of the answer's body.
    pub response_size: u64,
    /// The error's sentence; null for a success.
    pub error: Option<String>,
    /// What the call printed, a line each.
    pub console_output: Vec<String>,
}

impl ExecutionLog {
    /// A record with the name of its function.
    #[must_use]
    pub fn new(record: Record, function: &Name) -> Self {
        Self {
            id: record.id.to_string(),
            function_id: record.function_id.0,
            function_name: function.to_string(),
            version: record.version,
            created_at: record.created_at,
            status: record.status.as_str().to_owned(),
            status_code: record.http_status,
            method: record.method,
            path: record.path,
            execution_time: record.execution_time_ms,
            memory_used: record.memory_bytes,
            response_size: record.response_bytes,
            error: record.error,
            console_output: record.logs.lines().map(str::to_owned).collect(),
        }
    }
}

/// A numbered page.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ExecutionLogs {
    /// The calls, newest first.
    pub logs: Vec<ExecutionLog>,
    /// Where they are in the whole list.
    pub pagination: Pagination,
}

/// Where a page is in the whole list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Counted from 1.
    pub page: u32,
    /// At most this many on a page.
    pub limit: u32,
    /// Calls in all, of those that were asked for.
    pub total: i64,
    /// Pages in all.
    pub total_pages: i64,
}

/// Counts over all functions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardStats {
    /// Functions.
    pub total_functions: i64,
    /// Of which may be called.
    pub active_functions: i64,
    /// Of which are switched off.
    pub inactive_functions: i64,
    /// Calls that were ever kept.
    pub total_executions: i64,
    /// Of which succeeded.
    pub successful_executions: i64,
    /// Of which failed.
    pub failed_executions: i64,
    /// Per cent; 100 where there was no call.
    pub success_rate: f64,
    /// The mean of the last thousand calls, in milliseconds.
    pub average_execution_time: f64,
}

/// One of the newest calls.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// The invocation's id.
    #[schema(format = "uuid")]
    pub id: String,
    /// Which function.
    pub function_id: i64,
    /// Its name.
    pub function_name: String,
    /// Whose it is.
    pub project_id: i64,
    /// `success`, `error` or `timeout`.
    #[schema(example = "success")]
    pub status: String,
    /// Whether it succeeded.
    pub success: bool,
    /// The HTTP status that the caller got.
    pub status_code: u16,
    /// Milliseconds in the sandbox.
    pub execution_time: f64,
    /// When the call was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Activity {
    /// A record with the name of its function.
    #[must_use]
    pub fn new(record: &Record, function: &Name) -> Self {
        Self {
            id: record.id.to_string(),
            function_id: record.function_id.0,
            function_name: function.to_string(),
            project_id: record.project_id.0,
            status: record.status.as_str().to_owned(),
            success: record.status == RecordStatus::Success,
            status_code: record.http_status,
            execution_time: record.execution_time_ms,
            created_at: record.created_at,
        }
    }
}
