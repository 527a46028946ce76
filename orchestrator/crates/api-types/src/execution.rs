//! Calls: the request and the answer of `execute`, and what is kept of a call.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A call with everything that a handler may look at. Every field may be left out, and so may the body.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecuteRequest {
    /// The event's data: any JSON, passed on as it is written here. Default: the query as an object.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
    /// What the handler sees as the request's headers; names become lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// What the handler sees as the method; default `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "POST")]
    pub method: Option<String>,
    /// What the handler sees as the path; default: the path of the function's public route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the handler sees as the query: an object of texts, or the raw query as one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub query: Option<serde_json::Value>,
    /// Milliseconds that this call may take, in place of the function's `timeout`, which it may exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 300_000)]
    pub timeout_ms: Option<u64>,
}

/// A null that was given is data too.
fn given<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(reader).map(Some)
}

/// Answer of a call that succeeded.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExecuteAnswer {
    /// The handler's result, as it is.
    #[schema(value_type = serde_json::Value)]
    pub response: Box<RawValue>,
    /// `success`.
    #[schema(example = "success")]
    pub status: String,
    /// Milliseconds in the sandbox.
    pub execution_time: f64,
    /// Bytes at the sandbox's highest.
    pub memory_usage: u64,
    /// Bytes of `response`.
    pub response_size: u64,
    /// What the call printed, both streams in order.
    pub logs: String,
    /// The call's id, also in its record.
    #[schema(format = "uuid")]
    pub invocation_id: String,
    /// The version that answered.
    pub version: i64,
    /// `warm` or `cold`.
    #[schema(example = "warm")]
    pub start: String,
}

/// What is kept of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// The invocation's id.
    #[schema(format = "uuid")]
    pub id: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// `success`, `error` or `timeout`.
    #[schema(example = "success")]
    pub status: String,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The HTTP status that the caller got.
    pub http_status: u16,
    /// Milliseconds in the sandbox.
    pub execution_time: f64,
    /// Bytes at the sandbox's highest; 0 where unknown.
    pub memory_usage: u64,
    /// Milliseconds of CPU.
    pub cpu_time: f64,
    /// Bytes of the answer's body.
    pub response_size: u64,
    /// What the call printed.
    pub logs: String,
    /// The error's sentence; null for a success.
    pub error: Option<String>,
    /// The error's code; null for a success.
    pub code: Option<String>,
    /// Which version answered.
    pub version: i64,
    /// `warm` or `cold`.
    #[schema(example = "warm")]
    pub start: String,
    /// Which door it came through: `http` or `execute`.
    #[schema(example = "execute")]
    pub trigger: String,
}

/// The word for a call's start.
#[must_use]
pub const fn start_word(is_warm: bool) -> &'static str {
    if is_warm { "warm" } else { "cold" }
}

impl From<cloudbox_types::Record> for Execution {
    fn from(record: cloudbox_types::Record) -> Self {
        Self {
            id: record.id.to_string(),
            created_at: record.created_at,
            status: record.status.as_str().to_owned(),
            method: record.method,
            path: record.path,
            http_status: record.http_status,
            execution_time: record.execution_time_ms,
            memory_usage: record.memory_bytes,
            cpu_time: record.cpu_time_ms,
            response_size: record.response_bytes,
            logs: record.logs,
            error: record.error,
            code: record.code.map(|code| code.to_string()),
            version: record.version,
            start: start_word(record.is_warm).to_owned(),
            trigger: record.trigger.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_passes_as_it_is_written() {
        let request: ExecuteRequest = serde_json::from_str(r#"{"data": {"n": 1e400, "a":  [ ]}}"#).unwrap();
        assert_eq!(request.data.unwrap().get(), r#"{"n": 1e400, "a":  [ ]}"#);
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = serde_json::from_str::<ExecuteRequest>(r#"{"dat": 1}"#).unwrap_err();
        assert!(error.to_string().contains("`dat`"), "{error}");
    }
}
