//! What goes into the dispatcher, and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudbox_protocol::logs::{self, Line, Mark};
use cloudbox_protocol::message::DataSource;
use cloudbox_protocol::stream::Rest;
use cloudbox_protocol::{Invoke, ResultMode};
use cloudbox_types::{Attempt, HostCall, InvocationId, Timing, Trigger};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::failure::Failure;
use crate::services::CallContext;
use crate::share::Share;
use crate::table::Entry;
use crate::upload::Upload;

/// One call, from whichever door.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function, as the table has it.
    pub entry: Arc<Entry>,
    /// Which door it came through.
    pub trigger: Trigger,
    /// How the result is wanted.
    pub mode: ResultMode,
    /// Where the event's `data` comes from.
    pub data: DataSource,
    /// The method that the handler is told.
    pub method: String,
    /// The path that the handler is told.
    pub path: String,
    /// What of the path leads to the function; an application routes by the rest.
    pub base_path: String,
    /// The raw query, without `?`.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Parameters of the path, where the caller says some.
    pub params: BTreeMap<String, String>,
    /// The request's body.
    pub body: Bytes,
    /// The body, where it goes to the function while it arrives.
    pub upload: Option<Arc<Upload>>,
    /// In place of the function's own, where an authenticated caller wants it so, within the operator's range.
    pub timeout: Option<Duration>,
    /// Whether it may have no lasting effect: what it asks of the service is undone.
    pub is_test: bool,
    /// Whether its caller takes an answer as it comes; else all of it is collected first.
    pub may_stream: bool,
    /// Its place among its project's calls, from where it is taken on to where it ends.
    pub share: Option<Arc<Share>>,
}

impl Call {
    /// A call with an empty POST, of which all of the answer is wanted at once.
    #[must_use]
    pub fn new(entry: Arc<Entry>, trigger: Trigger, mode: ResultMode) -> Self {
        Self {
            entry,
            trigger,
            mode,
            data: DataSource::Query,
            method: "POST".to_owned(),
            path: String::new(),
            base_path: String::new(),
            query: String::new(),
            headers: Vec::new(),
            params: BTreeMap::new(),
            body: Bytes::new(),
            upload: None,
            timeout: None,
            is_test: false,
            may_stream: false,
            share: None,
        }
    }

    /// The version that it gets; 0 where there is none.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.entry.version.as_ref().map_or(0, |version| version.number)
    }

    /// How long it may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or_else(|| self.entry.function.settings.limits.timeout())
    }

    /// For whom its host calls are.
    pub(crate) fn context(&self, invocation: InvocationId) -> CallContext {
        let function = &self.entry.function;
        CallContext {
            project: function.project_id,
            function: function.id,
            version: self.version(),
            invocation,
            is_test: self.is_test,
        }
    }

    pub(crate) fn invoke(
        &self,
        id: InvocationId,
        accepted: Timestamp,
        timeout: Duration,
        max_response_bytes: usize,
    ) -> Invoke {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        Invoke {
            nonce: String::new(),
            invocation_id: id.to_string(),
            mode: self.mode,
            data: self.data,
            method: self.method.clone(),
            path: self.path.clone(),
            base_path: self.base_path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            timestamp: accepted.to_string(),
            timeout_ms,
            max_response_bytes: max_response_bytes as u64,
            deadline_ms: now_ms.saturating_add(timeout_ms),
            may_stream: false,
            has_upload: self.upload.is_some(),
            params: self.params.clone(),
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Made by the dispatcher, also for a call that was refused.
    pub invocation_id: InvocationId,
    /// The version that served it; 0 where none did.
    pub version: i64,
    /// Whether a sandbox had its code loaded already.
    pub is_warm: bool,
    /// Milliseconds in the sandbox; until the answer's beginning, where it is streamed.
    pub execution_time_ms: f64,
    /// Bytes at the sandbox's highest.
    pub memory_bytes: u64,
    /// What it printed.
    pub logs: String,
    /// Where in it the structured lines are.
    pub marks: Vec<Mark>,
    /// What it tried to reach outside its sandbox.
    pub egress: Vec<Attempt>,
    /// What it asked of the service: the first of it.
    pub host_calls: Vec<HostCall>,
    /// Where its time went; until the answer's beginning, where it is streamed.
    pub timing: Timing,
    /// The answer, or why there is none.
    pub result: Result<Success, Failure>,
}

/// A handler's answer, checked: the status can end a request, the headers can be sent, a raw body is JSON.
#[derive(Clone, Debug)]
pub struct Success {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As the mode wanted it; empty where it is streamed.
    pub body: Bytes,
    /// The body, where it is streamed: its first taker has it.
    pub rest: Option<Arc<Mutex<Option<Rest>>>>,
}

impl Success {
    /// An answer whose body is all there.
    #[must_use]
    pub const fn whole(status: u16, headers: Vec<(String, String)>, body: Bytes) -> Self {
        Self { status, headers, body, rest: None }
    }

    /// The body, where it is streamed and nobody has taken it.
    #[must_use]
    pub fn take_rest(&self) -> Option<Rest> {
        self.rest.as_ref().and_then(|rest| rest.lock().take())
    }
}

impl Outcome {
    /// What it printed, line by line, with level and fields of the structured ones.
    #[must_use]
    pub fn log_lines(&self) -> Vec<Line> {
        logs::lines(&self.logs, &self.marks)
    }

    /// An outcome without a sandbox.
    #[must_use]
    pub fn refused(invocation_id: InvocationId, version: i64, failure: Failure) -> Self {
        Self {
            invocation_id,
            version,
            is_warm: false,
            execution_time_ms: 0.0,
            memory_bytes: 0,
            logs: String::new(),
            marks: Vec::new(),
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing: Timing::default(),
            result: Err(failure),
        }
    }

    /// With where its time went.
    pub(crate) fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }
}

impl Outcome {
    /// The outcome of a call whose answer has begun and goes on.
    pub(crate) fn begun(
        invocation_id: InvocationId,
        version: i64,
        is_warm: bool,
        timing: Timing,
        success: Success,
    ) -> Self {
        Self {
            invocation_id,
            version,
            is_warm,
            execution_time_ms: Duration::from_micros(timing.exec_us).as_secs_f64() * 1000.0,
            memory_bytes: 0,
            logs: String::new(),
            marks: Vec::new(),
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing,
            result: Ok(success),
        }
    }
}
