//! The words between the service and a sandbox.
//!
//! Two conversations, specified in `runtimes/PROTOCOL.md`:
//! - with the **shim** (the language's process): frames over its stdin and stdout ([`frame`], [`message`],
//!   [`channel`]);
//! - with the **init** (PID 1): control messages over a socket ([`control`]); as a [`probe`], it prints findings.
//!
//! Whatever comes from a sandbox is hostile: lengths are checked before memory is taken, the first answer counts,
//! and any byte out of turn taints the sandbox.

pub mod control;
pub mod probe;

#[cfg(feature = "host")]
pub mod channel;
#[cfg(feature = "host")]
pub mod frame;
#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "host")]
mod log_pipe;
#[cfg(feature = "host")]
pub mod logs;
#[cfg(feature = "host")]
pub mod message;
#[cfg(feature = "host")]
pub mod nonce;
#[cfg(feature = "host")]
pub mod plain;
#[cfg(feature = "host")]
pub mod stream;

#[cfg(feature = "host")]
pub use channel::{Answer, Channel, Fault, Reply, Request, Streamed};
#[cfg(feature = "host")]
pub use frame::{Frame, FrameError, FrameLimits, Kind};
#[cfg(feature = "host")]
pub use host::{Host, HostError, NoHost};
#[cfg(feature = "host")]
pub use logs::Logs;
#[cfg(feature = "host")]
pub use message::{Failure, FailureKind, Invoke, Load, Loaded, ResultHead, ResultMode};
#[cfg(feature = "host")]
pub use nonce::Nonce;
