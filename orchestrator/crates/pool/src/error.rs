//! Why a lease was not given.

use cloudbox_sandbox::{Error, LaunchError, SandboxFault, SandboxFaultKind};

/// Why a lease was not given.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// There is no room for the call now.
    #[error("{reason}; try again in {retry_after_s} s")]
    Overloaded {
        /// Seconds to wait before the next try, at least 1.
        retry_after_s: u32,
        /// What is short.
        reason: Reason,
    },
    /// The version did not come up.
    #[error("the function did not start")]
    Launch(LaunchError),
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Closing,
}

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// As many calls as allowed wait already.
    #[error("too many calls of this function are waiting")]
    QueueFull,
    /// No sandbox became free in time.
    #[error("no sandbox became free in time")]
    QueueWait,
    /// Its sandboxes keep dying, so the next start waits.
    #[error("the function's sandboxes keep ending, the next start has to wait")]
    BackOff,
    /// The memory budget is smaller than the function's memory.
    #[error("the function's memory is over the service's whole memory budget")]
    OverBudget,
}

/// What ends a process without asking it: the kernel short of memory, or an operator. The sandbox's own memory limit
/// has an error of its own.
const SIGKILL: i32 = 9;

/// Whether the driver can't make sandboxes at all just now: no call need wait for what can't be.
const fn is_unavailable(error: &LaunchError) -> bool {
    let LaunchError::Fault(SandboxFault { kind: SandboxFaultKind::Host(error), .. }) = error else {
        return false;
    };
    matches!(error, Error::Unavailable { .. })
}

/// Whether the host is to blame, not the code, and another try may well succeed.
pub(crate) const fn is_of_host(error: &LaunchError) -> bool {
    use SandboxFaultKind::{Exited, Host, Lost, Untaken};
    if is_unavailable(error) {
        return false;
    }
    matches!(
        error,
        LaunchError::Fault(SandboxFault {
            kind: Host(_) | Lost | Untaken | Exited { signal: Some(SIGKILL), .. },
            ..
        })
    )
}

/// Whether what sandboxes are made from is gone, and the driver has nothing to make it from.
pub(crate) const fn is_without_root(error: &LaunchError) -> bool {
    let LaunchError::Fault(SandboxFault { kind: SandboxFaultKind::Host(error), .. }) = error else {
        return false;
    };
    matches!(error, Error::Image { .. })
}

/// Whether the driver or the object store failed, which the next start may find mended.
pub(crate) const fn is_of_driver(error: &LaunchError) -> bool {
    matches!(
        error,
        LaunchError::Absent(_) | LaunchError::Fault(SandboxFault { kind: SandboxFaultKind::Host(_), .. })
    )
}

/// The same failure once more, for another call that waited for it.
pub(crate) fn echo(error: &LaunchError) -> LaunchError {
    match error {
        LaunchError::Damaged(how) => LaunchError::Damaged(how.clone()),
        LaunchError::Absent(why) => LaunchError::Absent(why.clone()),
        LaunchError::Code { failure, logs } => {
            LaunchError::Code { failure: failure.clone(), logs: logs.clone() }
        }
        LaunchError::Fault(fault) => {
            SandboxFault { kind: echo_kind(&fault.kind), logs: fault.logs.clone() }.into()
        }
    }
}

fn echo_kind(kind: &SandboxFaultKind) -> SandboxFaultKind {
    use SandboxFaultKind as Kind;
    match kind {
        Kind::OutOfMemory => Kind::OutOfMemory,
        Kind::Exited { code, signal } => Kind::Exited { code: *code, signal: *signal },
        Kind::Untaken => Kind::Untaken,
        Kind::Lost => Kind::Lost,
        Kind::Deadline => Kind::Deadline,
        Kind::AnswerTooLarge { len, limit } => Kind::AnswerTooLarge { len: *len, limit: *limit },
        Kind::Tainted(why) => Kind::Tainted(why.clone()),
        Kind::Host(error) => Kind::Host(echo_host(error)),
    }
}

/// System errors can't be cloned; their sentence can.
fn echo_host(error: &Error) -> Error {
    match error {
        Error::Unavailable { driver, reason } => Error::Unavailable { driver, reason: reason.clone() },
        Error::Setup { step, message } => Error::Setup { step: step.clone(), message: message.clone() },
        Error::Image { image, why } => Error::Image { image: image.clone(), why: why.clone() },
        Error::StartTimeout { seconds } => Error::StartTimeout { seconds: *seconds },
        Error::Gone => Error::Gone,
        other => {
            let source = std::error::Error::source(other).map(ToString::to_string);
            Error::Setup { step: other.to_string(), message: source.unwrap_or_default() }
        }
    }
}
