//! From what the sandbox did to what the caller and the record get.

use std::time::Duration;

use bytes::Bytes;
use cloudbox_pool::LeaseError;
use cloudbox_protocol::logs::Mark;
use cloudbox_protocol::message::ChunkFailure;
use cloudbox_protocol::stream::Seal;
use cloudbox_protocol::{Answer, FailureKind, Logs, Reply, ResultHead, ResultMode, Streamed};
use cloudbox_sandbox::{Error, LaunchError, SandboxFault, SandboxFaultKind, Stats};
use cloudbox_types::{Attempt, Attempts, ErrorCode, HostCall, InvocationId, Record, RecordStatus, Timing};
use http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::call::{Call, Outcome, Success};
use crate::failure::Failure;
use crate::json::{self, MAX_RESULT_DEPTH};
use crate::timing;

/// Headers of one answer. Every client takes as many; the server's own table of them ends a request beyond 32,768.
const MAX_HEADERS: usize = 256;
/// Bytes of an answer's headers, names and values together.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Bytes of an exception's message in an answer, as the shims cut it: who forges a frame gets no further.
const MAX_MESSAGE_BYTES: usize = 8 << 10;
/// Bytes of a stack, in the same way.
const MAX_STACK_BYTES: usize = 64 << 10;

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Settled {
    result: Result<Success, Failure>,
    logs: String,
    marks: Vec<Mark>,
    elapsed: Duration,
    memory_bytes: u64,
    cpu_us: u64,
    is_warm: bool,
    egress: Vec<Attempt>,
    host_calls: Vec<HostCall>,
    timing: Timing,
    /// Whether no code has seen the call.
    is_untaken: bool,
    /// Bytes of an answer that was streamed.
    streamed: Option<u64>,
    /// Ends a streamed answer, when it is recorded.
    seal: Option<Seal>,
}

impl Settled {
    fn new(result: Result<Success, Failure>, logs: Logs) -> Self {
        let (logs, marks) = logs.into_marked();
        Self {
            result,
            logs,
            marks,
            elapsed: Duration::ZERO,
            memory_bytes: 0,
            cpu_us: 0,
            is_warm: false,
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing: Timing::default(),
            is_untaken: false,
            streamed: None,
            seal: None,
        }
    }

    pub(crate) fn with_usage(self, elapsed: Duration, stats: Stats, cpu_us: u64) -> Self {
        Self { elapsed, memory_bytes: stats.memory_peak_bytes, cpu_us, ..self }
    }

    pub(crate) fn with_start(self, is_warm: bool) -> Self {
        Self { is_warm, ..self }
    }

    pub(crate) fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// With how long all of it took.
    pub(crate) fn ended_after(mut self, total: Duration) -> Self {
        self.timing.total_us = timing::micros(total);
        self
    }

    /// `refused`: why the beginning of a streamed answer could not be sent.
    pub(crate) fn with_stream(self, seal: Option<Seal>, refused: Option<Failure>) -> Self {
        let result = refused.map_or(self.result, Err);
        Self { seal, result, ..self }
    }

    pub(crate) fn with_host_calls(self, host_calls: Vec<HostCall>) -> Self {
        Self { host_calls, ..self }
    }

    /// With what it tried to reach; its author finds in the logs what was refused, and what to do about it.
    pub(crate) fn with_attempts(mut self, attempts: Attempts) -> Self {
        for line in attempts.advice() {
            if !self.logs.is_empty() && !self.logs.ends_with('\n') {
                self.logs.push('\n');
            }
            self.logs.push_str(&line);
            self.logs.push('\n');
        }
        Self { egress: attempts.listed, ..self }
    }

    /// Whether the sandbox ended before any code could see the call, so that another one may get it.
    pub(crate) const fn is_untaken(&self) -> bool {
        self.is_untaken
    }

    /// Whether the version did badly: it failed, or answered with a 5xx of its own.
    pub(crate) fn is_error(&self) -> bool {
        self.result.as_ref().map_or(true, |success| success.status >= 500)
    }

    fn execution_time_ms(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1000.0
    }

    pub(crate) fn record(&self, id: InvocationId, accepted: Timestamp, call: &Call, driver: &str) -> Record {
        let function = &call.entry.function;
        let failure = self.result.as_ref().err();
        Record {
            id,
            project_id: function.project_id,
            function_id: function.id,
            version: call.version(),
            created_at: accepted,
            status: match failure.map(|failure| failure.code) {
                None => RecordStatus::Success,
                Some(ErrorCode::Timeout) => RecordStatus::Timeout,
                Some(_) => RecordStatus::Error,
            },
            code: failure.map(|failure| failure.code),
            error: failure.map(|failure| failure.message.clone()),
            method: call.method.clone(),
            path: call.path.clone(),
            http_status: match &self.result {
                Ok(success) => success.status,
                Err(failure) => failure.code.http_status(),
            },
            execution_time_ms: self.execution_time_ms(),
            memory_bytes: self.memory_bytes,
            cpu_time_ms: Duration::from_micros(self.cpu_us).as_secs_f64() * 1000.0,
            response_bytes: self
                .result
                .as_ref()
                .map_or(0, |success| self.streamed.unwrap_or(success.body.len() as u64)),
            logs: self.logs.clone(),
            is_warm: self.is_warm,
            trigger: call.trigger,
            driver: driver.to_owned(),
            egress: self.egress.clone(),
            host_calls: self.host_calls.clone(),
            timing: Some(self.timing),
        }
    }

    /// A streamed answer ends here: as a whole, or broken off.
    pub(crate) fn outcome(self, invocation_id: InvocationId, version: i64) -> Outcome {
        if let (Some(seal), Ok(_)) = (&self.seal, &self.result) {
            seal.close();
        }
        Outcome {
            invocation_id,
            version,
            is_warm: self.is_warm,
            execution_time_ms: self.execution_time_ms(),
            memory_bytes: self.memory_bytes,
            logs: self.logs,
            marks: self.marks,
            egress: self.egress,
            host_calls: self.host_calls,
            timing: self.timing,
            result: self.result,
        }
    }
}

/// Seconds after which an object store that could not be used may be back.
const ABSENT_RETRY_S: u32 = 5;

/// A call that got no sandbox: settled where its own code was at fault, a plain failure where it never began.
pub(crate) fn refused(error: LeaseError, call: &Call) -> Result<Settled, Failure> {
    match error {
        LeaseError::Overloaded { retry_after_s, reason } => Err(Failure::overloaded(
            format!("Function {} is overloaded: {reason}", name(call)),
            retry_after_s,
        )),
        LeaseError::Closing => Err(Failure::overloaded("The service is shutting down", 5)),
        LeaseError::Launch(LaunchError::Damaged(how)) => {
            tracing::error!(function.id = %call.entry.function.id, how, "the code of a version is damaged");
            let message = format!(
                "INTEGRITY: the code of version {} of {} is not what was deployed ({how}), so it was not run; deploy \
                 the function again",
                call.version(),
                name(call)
            );
            Err(Failure::new(ErrorCode::InternalError, message))
        }
        LeaseError::Launch(LaunchError::Absent(why)) => Err(Failure::overloaded(
            format!("Function {} can't be started now: {why}", name(call)),
            ABSENT_RETRY_S,
        )),
        LeaseError::Launch(LaunchError::Code { failure, logs }) => {
            Ok(Settled::new(Err(code_failure(*failure)), logs))
        }
        LeaseError::Launch(LaunchError::Fault(fault)) => match fault.kind {
            // The driver has said once what is wrong; with each call, the log would be full of it.
            SandboxFaultKind::Host(Error::Unavailable { .. }) => Err(unavailable()),
            SandboxFaultKind::Host(error) => {
                tracing::error!(function.id = %call.entry.function.id,
                    error = &error as &dyn std::error::Error, "no sandbox could be made");
                Err(Failure::overloaded(
                    "No sandbox could be made for this call; the service's log says why",
                    1,
                ))
            }
            SandboxFaultKind::Deadline => {
                let message =
                    "The code took too long to load; move slow work from its top level into the handler";
                Ok(Settled::new(Err(Failure::new(ErrorCode::Timeout, message)), fault.logs))
            }
            kind => Ok(Settled::new(Err(fault_failure(kind, call)), fault.logs)),
        },
    }
}

/// No sandbox can be made at all just now.
pub(crate) fn unavailable() -> Failure {
    Failure::overloaded("No sandbox can be made just now; functions that are warm are still served", 2)
}

/// A call that got its sandbox.
pub(crate) fn exchanged(
    exchanged: Result<Reply<Answer>, SandboxFault>,
    load_logs: Option<Logs>,
    call: &Call,
) -> Settled {
    let is_untaken = matches!(&exchanged, Err(SandboxFault { kind: SandboxFaultKind::Untaken, .. }));
    let streamed = match &exchanged {
        Ok(Reply { answer: Answer::Streamed(streamed), .. }) => Some(streamed.bytes),
        _ => None,
    };
    let (result, logs) = match exchanged {
        Ok(Reply { answer: Answer::Result(head, body), logs }) => (success(head, body, call.mode), logs),
        Ok(Reply { answer: Answer::Streamed(streamed), logs }) => (streamed_result(streamed), logs),
        Ok(Reply { answer: Answer::Failure(failure), logs }) => (Err(code_failure(failure)), logs),
        Err(SandboxFault { kind, logs }) => (Err(fault_failure(kind, call)), logs),
    };
    // A function that could not read its request is not the one that failed.
    let unread = call.upload.as_ref().and_then(|upload| upload.failure());
    let result = result.map_err(|failure| unread.unwrap_or(failure));
    // What the top level printed belongs to the call that loaded it.
    let mut settled = Settled { is_untaken, streamed, ..Settled::new(result, logs) };
    if let Some(load_logs) = load_logs {
        let (text, mut marks) = load_logs.into_marked();
        marks.extend(settled.marks.into_iter().map(|mark| mark.shifted(text.len())));
        settled.marks = marks;
        settled.logs.insert_str(0, &text);
    }
    settled
}

/// What is recorded of a streamed answer, whose pieces have gone out by now.
fn streamed_result(Streamed { head, failure, .. }: Streamed) -> Result<Success, Failure> {
    let Some(ChunkFailure { kind, message, stack }) = failure else {
        return Ok(Success::whole(head.status, head.headers, Bytes::new()));
    };
    let (nonce, survivors) = (head.nonce, Vec::new());
    Err(code_failure(cloudbox_protocol::Failure { nonce, kind, message, stack, survivors }))
}

/// Checks an answer: it comes from the user's side, and goes to a client or into a JSON document.
pub(crate) fn success(head: ResultHead, body: Bytes, mode: ResultMode) -> Result<Success, Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidResponse, message);
    if mode == ResultMode::Raw {
        serde_json::from_slice::<&RawValue>(&body)
            .map_err(|error| invalid(format!("The function's result is not JSON: {error}")))?;
        if json::is_deeper_than(MAX_RESULT_DEPTH, &body) {
            let limit = format!("The function's result is nested deeper than {MAX_RESULT_DEPTH} levels");
            return Err(invalid(limit));
        }
        return Ok(Success::whole(200, Vec::new(), body));
    }
    if !(200..=599).contains(&head.status) {
        return Err(invalid(format!(
            "The function answered with status {}; 200 to 599 can be sent",
            head.status
        )));
    }
    check_headers(&head.headers).map_err(invalid)?;
    Ok(Success::whole(head.status, head.headers, body))
}

/// What stands against sending these headers.
fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(format!(
            "The function answered with {} headers of {bytes} bytes; the limits are {MAX_HEADERS} and \
             {MAX_HEADER_BYTES}",
            headers.len()
        ));
    }
    let can_be_sent = |(name, value): &&(String, String)| {
        name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok()
    };
    match headers.iter().find(|header| !can_be_sent(header)) {
        Some((name, _)) => Err(format!("The function answered with a header that can't be sent: {name:?}")),
        None => Ok(()),
    }
}

fn code_failure(failure: cloudbox_protocol::Failure) -> Failure {
    let code = match failure.kind {
        FailureKind::Error | FailureKind::EntryPoint => ErrorCode::RuntimeError,
        FailureKind::InvalidResponse => ErrorCode::InvalidResponse,
        FailureKind::ResponseTooLarge => ErrorCode::ResponseTooLarge,
        FailureKind::MissingEnvironment => ErrorCode::ValidationError,
    };
    let stack = Some(json::cut(failure.stack, MAX_STACK_BYTES)).filter(|stack| !stack.is_empty());
    Failure { stack, ..Failure::new(code, json::cut(failure.message, MAX_MESSAGE_BYTES)) }
}

fn fault_failure(kind: SandboxFaultKind, call: &Call) -> Failure {
    let limits = &call.entry.function.settings.limits;
    match kind {
        SandboxFaultKind::OutOfMemory => Failure::new(
            ErrorCode::OutOfMemory,
            format!("Function ran out of memory: its limit is {} MB; raise `memory`", limits.memory_mb),
        ),
        SandboxFaultKind::Exited { .. } => {
            Failure::new(ErrorCode::RuntimeError, format!("Function ended without an answer: {kind}"))
        }
        SandboxFaultKind::Untaken => {
            Failure::overloaded("The function's sandboxes ended before they took the call; try again", 1)
        }
        SandboxFaultKind::Lost => Failure::overloaded(
            "The function's sandbox was ended from outside while it ran; the call may have had effects",
            1,
        ),
        SandboxFaultKind::Deadline => {
            let seconds = call.timeout().as_secs_f64();
            // One wording for every number, so that callers can look for it.
            Failure::new(ErrorCode::Timeout, format!("Function execution timed out after {seconds} seconds"))
        }
        SandboxFaultKind::AnswerTooLarge { len, limit } => Failure::new(
            ErrorCode::ResponseTooLarge,
            format!("The function's result has {len} bytes; the limit is {limit}"),
        ),
        SandboxFaultKind::Tainted(why) => {
            Failure::new(ErrorCode::InvalidResponse, format!("The function broke the protocol: {why}"))
        }
        // What the pool says of a call that ran beyond the end of the service.
        SandboxFaultKind::Host(Error::Gone) => Failure::new(
            ErrorCode::Timeout,
            "Function execution was broken off: the service shut down before there was an answer",
        ),
        SandboxFaultKind::Host(error) => {
            tracing::error!(function.id = %call.entry.function.id,
                error = &error as &dyn std::error::Error, "the host's side of a sandbox failed");
            Failure::internal()
        }
    }
}

fn name(call: &Call) -> &str {
    call.entry.function.settings.name.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(headers: Vec<(String, String)>) -> Result<Success, Failure> {
        let head = ResultHead {
            nonce: String::new(),
            status: 200,
            headers,
            is_streamed: false,
            survivors: Vec::new(),
        };
        success(head, Bytes::new(), ResultMode::Http)
    }

    fn header(name: impl Into<String>, value: &str) -> (String, String) {
        (name.into(), value.to_owned())
    }

    #[test]
    fn headers_are_sent_up_to_a_limit() {
        let many = |count: usize| (0..count).map(|number| header(format!("x-{number}"), "")).collect();
        assert_eq!(answered(many(MAX_HEADERS)).unwrap().headers.len(), MAX_HEADERS);
        // More than a table of headers can hold.
        for count in [MAX_HEADERS + 1, 40_000] {
            let refused = answered(many(count)).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidResponse);
            assert!(refused.message.contains("the limits are 256 and 65536"), "{}", refused.message);
        }
        let long = "v".repeat(MAX_HEADER_BYTES);
        assert_eq!(answered(vec![header("x", &long)]).unwrap_err().code, ErrorCode::InvalidResponse);
        assert!(answered(vec![header("x", &long[1..])]).is_ok());
    }

    #[test]
    fn headers_that_would_split_an_answer_are_refused() {
        for (name, value) in [("a", "b\r\nc: d"), ("a\r\nb", "c"), ("a", "\0"), ("", "b"), ("a b", "c")] {
            let refused = answered(vec![header(name, value)]).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidResponse, "{name:?}: {value:?}");
        }
    }

    #[test]
    fn a_forged_failure_is_no_longer_than_a_shims() {
        let failure = code_failure(cloudbox_protocol::Failure {
            nonce: String::new(),
            kind: FailureKind::Error,
            message: format!("a{}", "\u{e9}".repeat(100_000)),
            stack: "s".repeat(400_000),
            survivors: Vec::new(),
        });
        assert_eq!(failure.message.len(), MAX_MESSAGE_BYTES - 1, "no half character");
        assert_eq!(failure.stack.unwrap().len(), MAX_STACK_BYTES);
    }
}
