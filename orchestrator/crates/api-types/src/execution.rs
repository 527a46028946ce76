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
    #[schema(schema_with = query_schema)]
    pub query: Option<serde_json::Value>,
    /// Milliseconds that this call may take, in place of the function's `timeout`, which it may exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 300_000)]
    pub timeout_ms: Option<u64>,
    /// The version that is called: its number, or an alias; default: what calls get that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "prod")]
    pub version: Option<serde_json::Value>,
}

/// A null that was given is data too.
fn given<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(reader).map(Some)
}

/// An object, or the raw query as one text.
#[must_use]
pub fn query_schema() -> utoipa::openapi::Schema {
    use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
    let one = |kind| ObjectBuilder::new().schema_type(kind);
    let kinds = AnyOfBuilder::new().item(one(Type::Object)).item(one(Type::String)).item(one(Type::Null));
    Schema::AnyOf(kinds.description(Some("An object of texts, or the raw query as one text.")).build())
}

/// One attempt of a call to reach a host outside its sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EgressAttempt {
    /// The name or address that was asked for.
    #[schema(example = "api.example.com")]
    pub host: String,
    /// The port; left out where a name was looked up and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The address that the connection led to; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `ok`; `refused` (no entry of `egress` allows it), `refused_address` (the host's address is not a public one),
    /// `unresolved` (the name has no address), `failed` (nobody answered), `limited` (a limit of the connection ended it).
    #[schema(example = "ok")]
    pub outcome: String,
    /// Bytes from the function.
    pub bytes_up: u64,
    /// Bytes to the function.
    pub bytes_down: u64,
    /// Milliseconds of this call in which it was under way.
    pub duration_ms: f64,
    /// Whether an earlier call made the connection; left out where none did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reused: bool,
}

impl From<cloudbox_types::Attempt> for EgressAttempt {
    fn from(attempt: cloudbox_types::Attempt) -> Self {
        Self {
            host: attempt.host,
            port: attempt.port,
            address: attempt.address.map(|address| address.to_string()),
            outcome: attempt.outcome.as_str().to_owned(),
            bytes_up: attempt.bytes_up,
            bytes_down: attempt.bytes_down,
            duration_ms: attempt.duration_ms,
            is_reused: attempt.is_reused,
        }
    }
}

/// One thing that a call asked of the service, such as of `context.db`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostCallReport {
    /// Its name.
    #[schema(example = "db.findMany")]
    pub name: String,
    /// Milliseconds.
    pub duration_ms: f64,
    /// Whether it had a result.
    pub ok: bool,
    /// Where it had none: the error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl From<cloudbox_types::HostCall> for HostCallReport {
    fn from(call: cloudbox_types::HostCall) -> Self {
        Self { name: call.name, duration_ms: call.duration_ms, ok: call.code.is_none(), code: call.code }
    }
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
    /// The hosts that it tried to reach, at most 100; left out where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressAttempt>,
    /// What it asked of the service, the first 100; left out where there was nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_calls: Vec<HostCallReport>,
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
    /// The hosts that it tried to reach, at most 100; left out where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressAttempt>,
    /// What it asked of the service, the first 100; left out where there was nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_calls: Vec<HostCallReport>,
    /// Where its time went; left out for records of before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<CallTiming>,
}

/// Where the time of a call went, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallTiming {
    /// Waiting for a sandbox that others used, or for room for another one.
    #[schema(example = 0.0)]
    pub queue: f64,
    /// What else it took to have the sandbox.
    #[schema(example = 0.1)]
    pub lease: f64,
    /// Giving the code to a generic sandbox, or starting one with it; 0 for a warm call.
    #[schema(example = 0.0)]
    pub load: f64,
    /// In the sandbox.
    #[schema(example = 1.2)]
    pub exec: f64,
    /// All of it, from when the request was read to when the answer was there.
    #[schema(example = 1.5)]
    pub total: f64,
}

impl From<cloudbox_types::Timing> for CallTiming {
    fn from(timing: cloudbox_types::Timing) -> Self {
        let [queue, lease, load, exec, total] = timing.named().map(|(_, micros)| milliseconds(micros));
        Self { queue, lease, load, exec, total }
    }
}

/// Microseconds as milliseconds; no call takes as long as 32 bits of them, which is more than an hour.
#[must_use]
pub fn milliseconds(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1e3
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
            egress: record.egress.into_iter().map(EgressAttempt::from).collect(),
            host_calls: record.host_calls.into_iter().map(HostCallReport::from).collect(),
            timing: record.timing.map(CallTiming::from),
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
