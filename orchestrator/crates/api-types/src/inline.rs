//! Code that comes with the call: the bodies of `/execute`, `/test`, `/validate` and `/info`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Code with the request that it is to answer; or, with `function_id`, a stored function.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct InlineCode {
    /// The source, one file. Not together with `function_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `javascript` (default), `typescript`, `python` or `go`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The runtime, such as `nodejs20`; default: the language's usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// `handler`, `index.handler`, `main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    /// The form of the handler; default: found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler_style: Option<String>,
    /// A stored function's id, in place of `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_id: Option<i64>,
    /// What the handler sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<InlineRequest>,
    /// Environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// The hosts that it may reach, as a function's; none of them in `/test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["api.example.com"]))]
    pub egress: Option<Vec<String>>,
    /// `timeout` (ms), `memory` (MB) and `env_required` (names), over those of the `config` that the code exports. Other
    /// fields are the author's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub config: Option<serde_json::Value>,
    /// The project that it runs in, by id; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
}

/// The request that a handler sees.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct InlineRequest {
    /// Default `POST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Default `/execute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names become lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// An object of texts, or the raw query as one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::execution::query_schema)]
    pub query: Option<serde_json::Value>,
    /// Any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub body: Option<serde_json::Value>,
}

/// How a call of such code ended. The HTTP status is 200 also where the handler itself says no.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InlineAnswer {
    /// Whether there is `data`.
    pub success: bool,
    /// The handler's result; of `context.success(data)` the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
    /// Why there is none: of `context.error(message, code)`, or of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<InlineError>,
    /// Milliseconds in the sandbox.
    pub execution_time: f64,
    /// Bytes at the sandbox's highest.
    pub memory_usage: u64,
    /// What the call printed and logged, a line each.
    pub logs: Vec<InlineLog>,
    /// The call's id.
    pub correlation_id: String,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InlineError {
    /// A sentence.
    pub message: String,
    /// The handler's own word, or one of the API's.
    #[schema(example = "RUNTIME_ERROR")]
    pub code: String,
    /// Of a syntax error: the line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Of a syntax error: the character in the line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Of an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// A line of a call's logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InlineLog {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
    /// What `context.log` was given with it.
    #[schema(value_type = Object)]
    pub fields: serde_json::Value,
    /// When it was sent; of a printed line, when the structured one before it was.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
}

/// What this service is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// `cloudbox`.
    pub name: String,
    /// Of this program.
    pub version: String,
    /// `docker` or `native`.
    pub sandbox: String,
    /// What code may be written in.
    pub languages: Vec<String>,
    /// Names of all runtimes that can be asked for.
    pub runtimes: Vec<String>,
    /// What a call may ask for.
    pub limits: InfoLimits,
    /// Routes that code can be sent to.
    pub endpoints: Vec<String>,
}

/// The ranges of what a call may ask for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InfoLimits {
    /// Milliseconds, where nothing is asked for.
    pub default_timeout: u64,
    /// Milliseconds at most.
    pub max_timeout: u64,
    /// MB, where nothing is asked for.
    pub default_memory: u32,
    /// MB at most.
    pub max_memory: u32,
    /// Bytes of a request's body.
    pub max_request_bytes: usize,
}
