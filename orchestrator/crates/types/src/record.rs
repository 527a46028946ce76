//! The record of one invocation.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::function::UnknownWord;
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

    /// Whether its code is stored nowhere.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.function_id.0 >= FunctionId::FIRST_INLINE.0
    }
}
