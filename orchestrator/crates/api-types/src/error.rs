//! The one shape of every error.

use std::collections::BTreeMap;

use cloudbox_types::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An error. Fields that don't apply are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// A sentence for people.
    #[schema(example = "timeout must be 1 to 300 (seconds)")]
    pub error: String,
    /// The word that programs compare.
    #[schema(schema_with = code_schema)]
    pub code: ErrorCode,
    /// The request's id, as in `X-Request-Id`; absent on public routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The call's id, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// `VALIDATION_ERROR`: every problem of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Vec<ErrorDetail>>,
    /// `DEPLOYMENT_ERROR`: what the build printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_logs: Option<String>,
    /// `DEPLOYMENT_ERROR`: the stage that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// `DEPLOYMENT_ERROR`: the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<i64>,
    /// Failed calls: what the call printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
    /// Failed calls: milliseconds in the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_time: Option<f64>,
    /// Failed calls: the exception's stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What some routes add, by their own names.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extra: BTreeMap<String, Value>,
}

/// One problem of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// The field's path, such as `environment.PATH`; `body` for the body as a whole.
    #[schema(example = "timeout")]
    pub field: String,
    /// What is wrong with it, and what would be right.
    #[schema(example = "must be 1 to 300 (seconds)")]
    pub message: String,
}

impl ErrorBody {
    /// An error with no more than its sentence and its code.
    #[must_use]
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            code,
            request_id: None,
            invocation_id: None,
            details: None,
            build_logs: None,
            stage: None,
            deployment_id: None,
            logs: None,
            execution_time: None,
            stack: None,
            extra: BTreeMap::new(),
        }
    }
}

pub(crate) fn code_schema() -> utoipa::openapi::schema::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some("The word that programs compare."))
        .enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_apply_is_absent() {
        let body = ErrorBody::new(ErrorCode::NotFound, "there is no such function");
        let shown = serde_json::to_string(&body).unwrap();
        assert_eq!(shown, r#"{"error":"there is no such function","code":"NOT_FOUND"}"#);
        assert_eq!(serde_json::from_str::<ErrorBody>(&shown).unwrap(), body);
    }
}
