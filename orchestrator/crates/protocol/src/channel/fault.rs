//! Why an exchange brought no answer.

use crate::frame::{FrameError, Kind};
use crate::log_pipe::Expired;
use crate::logs::Logs;

/// An exchange without an answer. The sandbox is of no further use.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// What the code printed until then.
    pub logs: Logs,
}

/// Why an exchange brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum FaultKind {
    /// The other end closed its pipe: the process ended, or gave its descriptors up.
    #[error("the process ended before it answered")]
    Ended,
    /// It ended before it took the request, of which nobody has read a byte. Said of one of several calls at once; for a
    /// call by itself see [`Channel::is_untaken`](super::Channel::is_untaken).
    #[error("the process ended before it took the request")]
    Untaken,
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The answer's body is over the limit.
    #[error("an answer of {len} bytes is over the limit of {limit}")]
    AnswerTooLarge {
        /// As announced.
        len: usize,
        /// As allowed.
        limit: usize,
    },
    /// The other end broke the protocol.
    #[error("the sandbox broke the protocol: {0}")]
    Tainted(String),
}

impl FaultKind {
    pub(super) fn tainted(why: impl Into<String>) -> Self {
        Self::Tainted(why.into())
    }
}

impl From<Expired> for FaultKind {
    fn from(Expired: Expired) -> Self {
        Self::Deadline
    }
}

impl From<FrameError> for FaultKind {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Ended | FrameError::Io(_) => Self::Ended,
            FrameError::BodyTooLong { kind: Kind::Call | Kind::Chunk | Kind::Output, .. }
            | FrameError::UnknownKind(_)
            | FrameError::HeaderTooLong { .. } => Self::tainted(error.to_string()),
            FrameError::BodyTooLong { len, limit, .. } => Self::AnswerTooLarge { len, limit },
        }
    }
}
