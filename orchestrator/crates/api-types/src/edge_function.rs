//! The shapes of edge functions: names in camel case, milliseconds, words in upper case.

use std::collections::BTreeMap;

use cloudbox_types::secret::MASK;
use cloudbox_types::{Function, FunctionStatus, Record};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An edge function.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeFunction {
    /// Counted from 1, over all projects.
    #[schema(example = 123)]
    pub id: i64,
    /// Whose it is.
    pub project_id: i64,
    /// Unique in its project.
    #[schema(example = "hello-world")]
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// The source; null for a function that has none yet.
    pub code: Option<String>,
    /// The function that is called.
    #[schema(example = "handler")]
    pub handler: String,
    /// `JAVASCRIPT`, `TYPESCRIPT`, `PYTHON` or `GO`.
    #[schema(example = "JAVASCRIPT")]
    pub runtime: String,
    /// The names of the environment variables, each with the mask as its value.
    pub env_vars: BTreeMap<String, String>,
    /// Milliseconds of one call.
    #[schema(example = 10000)]
    pub timeout: u64,
    /// MB of the whole sandbox.
    #[schema(example = 128)]
    pub memory: u32,
    /// Null: domains are not available yet.
    pub domain_id: Option<String>,
    /// Null: domains are not available yet.
    pub subdomain: Option<String>,
    /// Null: domains are not available yet.
    pub path: Option<String>,
    /// `HTTP`.
    #[schema(example = "HTTP")]
    pub trigger_type: String,
    /// `DRAFT`, `DEPLOYING`, `ACTIVE`, `INACTIVE` or `FAILED`.
    #[schema(example = "ACTIVE")]
    pub status: String,
    /// Whether the public ways need no credential.
    pub is_public: bool,
    /// For browsers; null for no CORS headers.
    #[schema(value_type = Option<Object>)]
    pub cors: Option<Value>,
    /// The version that calls get; null before the first deploy.
    pub version: Option<i64>,
    /// Calls so far.
    pub invocation_count: i64,
    /// Where it is called by its id.
    #[schema(example = "/invoke/123")]
    pub url: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl EdgeFunction {
    /// A function as its users see it: secrets masked, `public_url` (without a slash at its end) before its path.
    #[must_use]
    pub fn new(function: Function, public_url: &str) -> Self {
        let status = match function.status {
            _ if !function.settings.is_active => "INACTIVE",
            FunctionStatus::Draft => "DRAFT",
            FunctionStatus::Building => "DEPLOYING",
            FunctionStatus::Deployed => "ACTIVE",
            FunctionStatus::Failed => "FAILED",
        };
        let settings = function.settings;
        Self {
            id: function.id.0,
            project_id: function.project_id.0,
            name: settings.name.into(),
            description: settings.description,
            code: settings.code,
            handler: settings.entry_point,
            runtime: settings.language.as_str().to_uppercase(),
            env_vars: settings.environment.into_keys().map(|name| (name, MASK.to_owned())).collect(),
            timeout: u64::from(settings.limits.timeout_s) * 1000,
            memory: settings.limits.memory_mb,
            domain_id: None,
            subdomain: None,
            path: None,
            trigger_type: "HTTP".to_owned(),
            status: status.to_owned(),
            is_public: settings.is_public,
            cors: settings.cors,
            version: function.active_version,
            invocation_count: function.invocation_count,
            url: format!("{public_url}/invoke/{}", function.id),
            created_at: function.created_at,
            updated_at: function.updated_at,
        }
    }
}

/// A call's answer, as the handler gave it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeAnswer {
    /// The HTTP status.
    pub status_code: u16,
    /// By name in lower case; a list where a name repeats.
    #[schema(value_type = Object)]
    pub headers: BTreeMap<String, Value>,
    /// The body: text, or base64.
    pub body: String,
    /// Whether `body` is base64, since it is no text.
    pub is_base64_encoded: bool,
    /// Milliseconds in the sandbox.
    pub duration: f64,
    /// Bytes at the sandbox's highest.
    pub memory_used: u64,
    /// What the call printed.
    pub logs: String,
    /// The call's id, also in its log.
    #[schema(format = "uuid")]
    pub invocation_id: String,
    /// The version that answered.
    pub version: i64,
}

/// What is kept of one call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeInvocation {
    /// The invocation's id.
    #[schema(format = "uuid")]
    pub id: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// `SUCCESS`, `ERROR` or `TIMEOUT`.
    #[schema(example = "SUCCESS")]
    pub status: String,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The HTTP status that the caller got.
    pub status_code: u16,
    /// Milliseconds in the sandbox.
    pub duration: f64,
    /// Bytes at the sandbox's highest; 0 where unknown.
    pub memory_used: u64,
    /// Milliseconds of CPU.
    pub cpu_time: f64,
    /// Bytes of the answer's body.
    pub response_size: u64,
    /// The error's sentence; null for a success.
    pub error: Option<String>,
    /// What the call printed.
    pub logs: String,
    /// Which version answered.
    pub version: i64,
}

impl From<Record> for EdgeInvocation {
    fn from(record: Record) -> Self {
        Self {
            id: record.id.to_string(),
            created_at: record.created_at,
            status: record.status.as_str().to_uppercase(),
            method: record.method,
            path: record.path,
            status_code: record.http_status,
            duration: record.execution_time_ms,
            memory_used: record.memory_bytes,
            cpu_time: record.cpu_time_ms,
            response_size: record.response_bytes,
            error: record.error,
            logs: record.logs,
            version: record.version,
        }
    }
}
