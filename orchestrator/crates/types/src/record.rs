//! The record of one invocation.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::function::UnknownWord;
use crate::json::Object;
use crate::{Attempt, ErrorCode, FunctionId, InvocationId, ProjectId, Timing};

/// How an invocation ended, for filters and statistics; `code` says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordStatus {
    /// The handler answered.
    Success,
    /// It threw, ended, ran out of memory, or answered what can't be represented.
    Error,
    /// It took too long.
    Timeout,
}

impl RecordStatus {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

impl FromStr for RecordStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Success, Self::Error, Self::Timeout]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// Which door a call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// `/p/{project}/functions/{name}`.
    Http,
    /// The authenticated `execute` routes.
    Execute,
    /// `/test`, whose calls have no lasting effect.
    Test,
}

impl Trigger {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Execute => "execute",
            Self::Test => "test",
        }
    }
}

impl FromStr for Trigger {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Http, Self::Execute, Self::Test]
            .into_iter()
            .find(|trigger| trigger.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// One thing that a call asked of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    /// Such as `db.findMany`.
    pub name: String,
    /// Milliseconds.
    pub duration_ms: f64,
    /// The error's code, where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What is kept of one invocation. Also one line of the spool file, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Made by the service.
    pub id: InvocationId,
    /// Whose function.
    pub project_id: ProjectId,
    /// Which function.
    pub function_id: FunctionId,
    /// Which version of it.
    pub version: i64,
    /// When the call was accepted.
    pub created_at: Timestamp,
    /// How it ended.
    pub status: RecordStatus,
    /// Which error, where it is one.
    pub code: Option<ErrorCode>,
    /// The error's sentence.
    pub error: Option<String>,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The HTTP status that the caller got.
    pub http_status: u16,
    /// Milliseconds in the sandbox.
    pub execution_time_ms: f64,
    /// Bytes at the sandbox's highest, as its cgroup counts; 0 where unknown.
    pub memory_bytes: u64,
    /// Milliseconds of CPU that the sandbox used for the call.
    pub cpu_time_ms: f64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// What the call printed.
    pub logs: String,
    /// Whether a sandbox had its code loaded already.
    pub is_warm: bool,
    /// Which door it came through.
    pub trigger: Trigger,
    /// `docker` or `native`.
    pub driver: String,
    /// What the call tried to reach outside its sandbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Attempt>,
    /// What it asked of the service: the first [`Record::MAX_HOST_CALLS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_calls: Vec<HostCall>,
    /// Where its time went; none for records of before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

impl Record {
    /// Host calls that are listed.
    pub const MAX_HOST_CALLS: usize = 100;

    /// Adds its JSON, as serde would write it and reads it.
    pub fn write_json(&self, into: &mut Vec<u8>) {
        let mut id = uuid::Uuid::encode_buffer();
        Object::begin(into)
            .word("id", self.id.0.hyphenated().encode_lower(&mut id))
            .value("project_id", &self.project_id)
            .value("function_id", &self.function_id)
            .value("version", &self.version)
            .value("created_at", &self.created_at)
            .word("status", self.status.as_str())
            .value("code", &self.code)
            .value("error", &self.error)
            .text("method", &self.method)
            .text("path", &self.path)
            .value("http_status", &self.http_status)
            .value("execution_time_ms", &self.execution_time_ms)
            .value("memory_bytes", &self.memory_bytes)
            .value("cpu_time_ms", &self.cpu_time_ms)
            .value("response_bytes", &self.response_bytes)
            .text("logs", &self.logs)
            .value("is_warm", &self.is_warm)
            .word("trigger", self.trigger.as_str())
            .text("driver", &self.driver)
            .value_if(!self.egress.is_empty(), "egress", &self.egress)
            .value_if(!self.host_calls.is_empty(), "host_calls", &self.host_calls)
            .value_if(self.timing.is_some(), "timing", &self.timing)
            .end();
    }

    /// Whether its code is stored nowhere.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.function_id.0 >= FunctionId::FIRST_INLINE.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttemptOutcome;

    fn record() -> Record {
        Record {
            id: InvocationId::generate(),
            project_id: ProjectId(1),
            function_id: FunctionId(2),
            version: 3,
            created_at: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
            status: RecordStatus::Success,
            code: None,
            error: None,
            method: "POST".to_owned(),
            path: "/p/1/functions/a%22".to_owned(),
            http_status: 200,
            execution_time_ms: 0.25,
            memory_bytes: 1 << 40,
            cpu_time_ms: 0.0,
            response_bytes: 7,
            logs: "a \"line\"\n\u{1b}\\".to_owned(),
            is_warm: true,
            trigger: Trigger::Http,
            driver: "native".to_owned(),
            egress: Vec::new(),
            host_calls: Vec::new(),
            timing: None,
        }
    }

    #[test]
    fn its_json_is_what_serde_writes() {
        let outcome = AttemptOutcome::Ok;
        let attempt = Attempt {
            host: "a".to_owned(),
            port: Some(1),
            address: None,
            outcome,
            bytes_up: 2,
            bytes_down: 3,
            duration_ms: 4.5,
            is_reused: true,
        };
        let call = HostCall { name: "db.get".to_owned(), duration_ms: 1.5, code: Some("X".to_owned()) };
        let full = Record {
            status: RecordStatus::Error,
            code: Some(ErrorCode::RuntimeError),
            error: Some("it \"failed\"".to_owned()),
            egress: vec![attempt],
            host_calls: vec![call],
            timing: Some(Timing { queue_us: 1, ..Timing::default() }),
            ..record()
        };
        for record in [record(), full] {
            let mut json = Vec::new();
            record.write_json(&mut json);
            assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&record).unwrap());
        }
    }
}
