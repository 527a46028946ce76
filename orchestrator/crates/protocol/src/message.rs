//! The headers of frames, as Rust types. Field by field in `runtimes/PROTOCOL.md`.

use std::collections::BTreeMap;

use cloudbox_types::Isolation;
use cloudbox_types::json::Object;
use serde::{Deserialize, Serialize};

/// `load`: which code to load, and with which environment. Body: none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Echoed by the answer; set by the channel.
    pub nonce: String,
    /// The folder of the code, always `/workspace`.
    pub code_dir: String,
    /// The file to load, relative to `code_dir`, such as `index.js`.
    pub main: String,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// `auto`, or the form that is pinned.
    pub handler_style: String,
    /// What its calls may share; a shim that can fork has a process for each call where it is `process`.
    #[serde(default)]
    pub isolation: Isolation,
    /// Calls that there may be at once, where there may be several.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub concurrency: u32,
    /// The function's environment variables.
    pub env: BTreeMap<String, String>,
    /// What the context says of the function.
    pub function: FunctionInfo,
}

/// What a handler may learn of its own function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInfo {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its project's id.
    pub project_id: i64,
    /// The version that is loaded.
    pub version: i64,
    /// MB.
    pub memory_mb: u32,
}

/// `loaded`: the code is loaded and the handler found. Body: none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// As in `load`.
    pub nonce: String,
    /// The form that was found.
    pub handler_style: String,
    /// Whether each call has a process forked for it: then the shim says `loaded` again after each, once that is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_forked: bool,
    /// Calls that the handler can answer at once, as the shim says.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub concurrency: u32,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

/// How the result is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultMode {
    /// As an HTTP answer: `status`, `headers`, and the body's bytes.
    Http,
    /// As the handler's result itself: the body is JSON.
    Raw,
}

/// Where the event's `data` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// The frame's body: JSON where it parses as such, else text, else `{"base64": …}`.
    Body,
    /// The query, as an object.
    Query,
}

/// `invoke`: one call. Body: the request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoke {
    /// Echoed by the answer; set by the channel.
    pub nonce: String,
    /// The invocation's id.
    pub invocation_id: String,
    /// How the result is wanted.
    pub mode: ResultMode,
    /// Where `data` comes from.
    pub data: DataSource,
    /// The request's method.
    pub method: String,
    /// The request's path, decoded no further than the URL has it.
    pub path: String,
    /// What of the path leads to the function; an application routes by the rest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_path: String,
    /// The raw query, without `?`.
    pub query: String,
    /// Names in lower case, in the order of arrival; a name may repeat.
    pub headers: Vec<(String, String)>,
    /// RFC 3339 UTC: when the call was accepted.
    pub timestamp: String,
    /// Milliseconds that the call may take from now.
    pub timeout_ms: u64,
    /// Bytes that the result's body may have; a shim answers `response_too_large` beyond.
    pub max_response_bytes: u64,
    /// Milliseconds since 1970 at which it must have ended.
    pub deadline_ms: u64,
    /// Whether a handler that streams may have its answer sent as it comes; set by the channel.
    #[serde(default, skip_serializing_if = "is_false")]
    pub may_stream: bool,
    /// Whether the request's body is not in the frame, but read piece by piece with host calls.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_upload: bool,
    /// Parameters of the path, where the caller says some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Invoke {
    /// Adds the header's JSON, as serde would write it.
    pub(crate) fn write_json(&self, into: &mut Vec<u8>) {
        Object::begin(into)
            .text("nonce", &self.nonce)
            .text("invocation_id", &self.invocation_id)
            .value("mode", &self.mode)
            .value("data", &self.data)
            .text("method", &self.method)
            .text("path", &self.path)
            .text_if_any("base_path", &self.base_path)
            .text("query", &self.query)
            .pairs("headers", &self.headers)
            .text("timestamp", &self.timestamp)
            .value("timeout_ms", &self.timeout_ms)
            .value("max_response_bytes", &self.max_response_bytes)
            .value("deadline_ms", &self.deadline_ms)
            .value_if(self.may_stream, "may_stream", &true)
            .value_if(self.has_upload, "has_upload", &true)
            .value_if(!self.params.is_empty(), "params", &self.params)
            .end();
    }
}

/// `result`: what the handler answered. Body: as `mode` wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultHead {
    /// As in `invoke`.
    pub nonce: String,
    /// The HTTP status; 200 in raw mode.
    pub status: u16,
    /// The HTTP headers; none in raw mode.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whether the body follows in `chunk` frames.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_streamed: bool,
    /// What the call left running in its process, as far as the language knows: `timer`, `thread`, `process`. Where
    /// there is something, the sandbox serves nothing more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<String>,
}

/// What kind of failure a shim reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The handler, or the code's top level, threw.
    Error,
    /// The code has no such entry point.
    EntryPoint,
    /// The handler's result can't be represented.
    InvalidResponse,
    /// The handler's result is over the limit.
    ResponseTooLarge,
    /// Variables aren't set that the code says it needs.
    MissingEnvironment,
}

/// `failure`: a load or a call that failed. Body: none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As in `load` or `invoke`.
    pub nonce: String,
    /// What kind.
    pub kind: FailureKind,
    /// The exception's type and message, such as `TypeError: x is not a function`.
    pub message: String,
    /// The stack, in the language's habit; may be empty.
    #[serde(default)]
    pub stack: String,
    /// As in `result`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<String>,
}

/// `log`: a structured log line of the running call. Body: none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// As in `invoke`.
    pub nonce: String,
    /// `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// The sentence.
    pub message: String,
    /// More about it.
    #[serde(default)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// `call`: a host call. Body: the arguments, JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallHead {
    /// As in `invoke`.
    pub nonce: String,
    /// The shim's number for it, in no other use while it is under way.
    pub id: u64,
    /// What to do, such as `db.findMany`.
    pub method: String,
}

/// `reply`: the end of a host call. Body: the result, JSON; else a [`HostError`](crate::host::HostError).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyHead {
    /// As in `call`.
    pub nonce: String,
    /// As in `call`.
    pub id: u64,
    /// Whether the body is a result.
    pub ok: bool,
}

/// `chunk`: a piece of a streamed answer. Body: the piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkHead {
    /// As in `invoke`.
    pub nonce: String,
    /// Whether it is the end.
    pub last: bool,
    /// In the last: why there is no more, where that was not the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ChunkFailure>,
    /// In the last: as in `result`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<String>,
}

/// `taken` and `output`: which call it is about. Body: none; what the call printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNonce {
    /// As in `invoke`.
    pub nonce: String,
}

/// Why a streamed answer broke off: the fields of a `failure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkFailure {
    /// What kind.
    pub kind: FailureKind,
    /// As in `failure`.
    pub message: String,
    /// As in `failure`.
    #[serde(default)]
    pub stack: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_serde_writes_it() {
        let small = Invoke {
            nonce: "00ff".to_owned(),
            invocation_id: "i".to_owned(),
            mode: ResultMode::Raw,
            data: DataSource::Query,
            method: "POST".to_owned(),
            path: "/a\"b".to_owned(),
            base_path: String::new(),
            query: "q=%22".to_owned(),
            headers: Vec::new(),
            timestamp: "2026-01-01T00:00:00Z".to_owned(),
            timeout_ms: 1000,
            max_response_bytes: 1 << 20,
            deadline_ms: u64::MAX,
            may_stream: false,
            has_upload: false,
            params: BTreeMap::new(),
        };
        let full = Invoke {
            base_path: "/a".to_owned(),
            headers: vec![("accept".to_owned(), "*/*".to_owned()), ("x".to_owned(), "\\\u{1}".to_owned())],
            may_stream: true,
            has_upload: true,
            params: BTreeMap::from([("id".to_owned(), "7".to_owned())]),
            ..small.clone()
        };
        for invoke in [small, full] {
            let mut json = Vec::new();
            invoke.write_json(&mut json);
            assert_eq!(json, serde_json::to_vec(&invoke).unwrap());
        }
    }
}
