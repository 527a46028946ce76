//! What is done with a system call.

use serde::Deserialize;

/// What is done with a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The kernel does it.
    Allow,
    /// It is not done and gives this error.
    Refuse(Errno),
    /// The whole process is killed with `SIGSYS`.
    Kill,
}

/// The errors that a refused call may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Errno {
    /// It may not be done.
    Eperm = 1,
    /// It can't be done with these descriptors.
    Einval = 22,
    /// The kernel has no such call.
    Enosys = 38,
    /// There are no such sockets.
    Eafnosupport = 97,
}

impl Errno {
    /// As the kernel counts it.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl Action {
    /// As a filter returns it (`SECCOMP_RET_*`).
    #[must_use]
    pub const fn return_value(self) -> u32 {
        match self {
            Self::Allow => 0x7FFF_0000,
            Self::Refuse(errno) => 0x0005_0000 | errno as u32,
            Self::Kill => 0x8000_0000,
        }
    }
}
