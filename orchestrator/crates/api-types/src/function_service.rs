//! The function service's shapes: `success` first, names in snake case.

use cloudbox_types::{ErrorCode, Function, Language};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::error::{ErrorDetail, code_schema};
use crate::{EgressAttempt, HostCallReport};

/// What the function service tells of a function.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FunctionCard {
    /// Counted from 1, over all projects.
    #[schema(example = 123)]
    pub id: i64,
    /// Whose it is.
    pub project_id: i64,
    /// Unique in its project.
    #[schema(example = "hello")]
    pub function_name: String,
    /// The file that its code is kept as.
    #[schema(example = "index.js")]
    pub file_path: String,
    /// The runtime asked for.
    #[schema(example = "node18")]
    pub runtime: String,
    /// Whether it may be called.
    pub is_active: bool,
    /// Calls so far.
    pub invocation_count: i64,
    /// `draft`, `building`, `deployed` or `failed`.
    #[schema(example = "deployed")]
    pub status: String,
    /// The version that calls get; null before the first deploy.
    pub active_version: Option<i64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<Function> for FunctionCard {
    fn from(function: Function) -> Self {
        let settings = function.settings;
        Self {
            id: function.id.0,
            project_id: function.project_id.0,
            function_name: settings.name.into(),
            file_path: file_of(settings.language).to_owned(),
            runtime: settings.runtime.replacen("nodejs", "node", 1),
            is_active: settings.is_active,
            invocation_count: function.invocation_count,
            status: function.status.to_string(),
            active_version: function.active_version,
            created_at: function.created_at,
            updated_at: function.updated_at,
        }
    }
}

/// The name of a language's file.
const fn file_of(language: Language) -> &'static str {
    match language {
        Language::Javascript => "index.js",
        Language::Typescript => "index.ts",
        Language::Python => "main.py",
        Language::Go => "main.go",
        Language::Custom => "Dockerfile",
    }
}

/// One function.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FunctionAnswer {
    /// True.
    pub success: bool,
    /// The function.
    pub function: FunctionCard,
}

/// A project's functions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FunctionsAnswer {
    /// True.
    pub success: bool,
    /// The functions, by id upwards.
    pub functions: Vec<FunctionCard>,
    /// What to send as `cursor` for more; null at the end.
    pub next_cursor: Option<String>,
}

/// A function's code.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CodeAnswer {
    /// True.
    pub success: bool,
    /// Unique in its project.
    pub function_name: String,
    /// The file that it is kept as.
    pub file_path: String,
    /// The runtime asked for.
    pub runtime: String,
    /// The source; null for a function that has none yet.
    pub code: Option<String>,
}

impl From<Function> for CodeAnswer {
    fn from(mut function: Function) -> Self {
        let code = function.settings.code.take();
        let card = FunctionCard::from(function);
        Self {
            success: true,
            function_name: card.function_name,
            file_path: card.file_path,
            runtime: card.runtime,
            code,
        }
    }
}

/// Nothing but that it went well.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Done {
    /// True.
    pub success: bool,
}

/// A call that the handler answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvokeAnswer {
    /// True.
    pub success: bool,
    /// The handler's result; of an HTTP response its body, as JSON where it is some.
    #[schema(value_type = serde_json::Value)]
    pub result: Box<RawValue>,
    /// The status of a result that is an HTTP response.
    #[serde(rename = "statusCode", skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Milliseconds in the sandbox.
    #[schema(example = 145)]
    pub duration: f64,
    /// What the call printed, a line each.
    #[schema(example = json!(["[LOG] Processing request"]))]
    pub logs: Vec<String>,
}

/// An error of the function service: as everywhere, with `success` first, and what a call printed as a list. Fields that
/// don't apply are absent.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceError {
    /// False.
    pub success: bool,
    /// A sentence for people.
    pub error: String,
    /// The word that programs compare.
    #[schema(schema_with = code_schema)]
    pub code: ErrorCode,
    /// The request's id, as in `X-Request-Id`; absent for calls.
    pub request_id: Option<String>,
    /// The call's id, where there was one.
    pub invocation_id: Option<String>,
    /// `VALIDATION_ERROR`: every problem of the request.
    pub details: Option<Vec<ErrorDetail>>,
    /// `DEPLOYMENT_ERROR`: what the build printed.
    pub build_logs: Option<String>,
    /// `DEPLOYMENT_ERROR`: the stage that failed.
    pub stage: Option<String>,
    /// `DEPLOYMENT_ERROR`: the deployment.
    pub deployment_id: Option<i64>,
    /// Failed calls: what the call printed, a line each, for callers who may see it.
    pub logs: Option<Vec<String>>,
    /// Failed calls: milliseconds in the sandbox.
    pub duration: Option<f64>,
    /// Failed calls: the exception's stack, for callers who may see it.
    pub stack: Option<String>,
    /// Failed calls: what the call reached outside.
    pub egress: Option<Vec<EgressAttempt>>,
    /// Failed calls: what the call asked of the service.
    pub host_calls: Option<Vec<HostCallReport>>,
}

/// What a call printed, as a list.
#[must_use]
pub fn log_lines(logs: &str) -> Vec<String> {
    logs.lines().map(|line| format!("[LOG] {line}")).collect()
}
