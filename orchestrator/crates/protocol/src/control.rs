//! Control messages between the service and a sandbox's init, over a unix stream socket.
//!
//! Each message is a 4-byte big-endian length and that many bytes of JSON, at most [`MAX_MESSAGE`]. With
//! [`FromInit::Ready`] come three descriptors (`SCM_RIGHTS`), in this order: the end to write requests to, the end
//! to read answers from, the end to read logs from. They are pipes, made by the init, so both drivers speak to the
//! runtime in the same way and without a daemon in between.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Where the init finds the socket in a container.
pub const SOCKET_PATH: &str = "/run/cloudbox/control.sock";

/// What the init is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToInit {
    /// Start the runtime: its stdin reads requests, its stdout writes answers, its stderr writes logs.
    Start {
        /// The program, an absolute path, and its arguments.
        argv: Vec<String>,
        /// Its whole environment.
        env: BTreeMap<String, String>,
        /// Its working directory.
        cwd: String,
        /// Whether its stdout goes where its stderr goes: a plain program, which speaks no protocol.
        #[serde(default)]
        is_plain: bool,
    },
    /// Answer with [`FromInit::Processes`].
    Processes,
}

/// What the init tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromInit {
    /// The sandbox is set up; three descriptors come with it.
    Ready,
    /// A step of the set-up failed; the init ends.
    Failed {
        /// Which step, such as `pivot_root`.
        step: String,
        /// The system's message.
        error: String,
    },
    /// The runtime was started.
    Started {
        /// Its process id inside the sandbox.
        pid: i32,
    },
    /// The runtime ended.
    Exited {
        /// Its exit code, where it exited.
        code: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
    },
    /// How many processes are in the sandbox besides the init.
    Processes {
        /// The runtime included.
        count: u32,
    },
}
