//! Why a sandbox gave no answer: its memory limit and its init say more than a closed pipe does.

use std::time::Duration;

use cloudbox_cgroup::Cgroup;
use cloudbox_protocol::control::FromInit;
use tokio::time::timeout;

use crate::link::Control;
use crate::{Error, SandboxFaultKind};

/// How long the runtime's end may take to be told after its pipes closed.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// What became known of a runtime's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It exited, or a signal ended it.
    Exited { code: Option<i32>, signal: Option<i32> },
    /// All of the sandbox ended, its init too.
    Lost,
    /// Nothing in time.
    Nothing,
}

impl Told {
    /// What happened, where the runtime's end is what a call met.
    pub(super) fn kind(self, cgroup: &dyn Cgroup) -> SandboxFaultKind {
        match self {
            _ if has_oom_kills(cgroup) => SandboxFaultKind::OutOfMemory,
            Self::Exited { code, signal } => SandboxFaultKind::Exited { code, signal },
            Self::Lost => SandboxFaultKind::Lost,
            Self::Nothing => SandboxFaultKind::Exited { code: None, signal: None },
        }
    }
}

/// Waits for what the init says of the runtime's end.
pub(super) async fn told_end(control: &mut Control) -> Told {
    match timeout(TOLD_WITHIN, exit(control)).await {
        Ok(Ok((code, signal))) => Told::Exited { code, signal },
        Ok(Err(Error::Gone)) => Told::Lost,
        _ => Told::Nothing,
    }
}

/// Waits for the runtime's end.
pub(super) async fn exit(control: &mut Control) -> Result<(Option<i32>, Option<i32>), Error> {
    loop {
        if let FromInit::Exited { code, signal } = control.receive().await? {
            return Ok((code, signal));
        }
    }
}

/// Whether a fault is the memory limit's, whose victim may be another process than the one that answers.
pub(super) fn is_of_memory(kind: &SandboxFaultKind, cgroup: &dyn Cgroup) -> bool {
    matches!(kind, SandboxFaultKind::Exited { .. } | SandboxFaultKind::Tainted(_)) && has_oom_kills(cgroup)
}

/// Whether the memory limit has ended a process of it.
pub(super) fn has_oom_kills(cgroup: &dyn Cgroup) -> bool {
    cgroup.oom_kills().is_ok_and(|count| count > 0)
}
