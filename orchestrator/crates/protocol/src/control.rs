//! Control messages between the service and a sandbox's init, over a unix stream socket.
//!
//! Each message is a 4-byte big-endian length and that many bytes of JSON, at most [`MAX_MESSAGE`]. With
//! [`FromInit::Ready`] come three descriptors (`SCM_RIGHTS`), in this order: the end to write requests to, the end
//! to read answers from, the end to read logs from. They are pipes, made by the init, so both drivers speak to the
//! runtime in the same way and without a daemon in between. With [`FromInit::Listening`] come the sockets that were asked
//! for: they belong to the sandbox's network, whoever has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// The listeners of one [`ToInit::Listen`], at most.
pub const MAX_LISTENERS: usize = 20;

/// Where the init finds the socket in a container.
pub const SOCKET_PATH: &str = "/run/cloudbox/control.sock";

/// What the init is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToInit {
    /// Fork the process that will become the runtime and confine it, so that a later [`ToInit::Start`] has only to name the
    /// program; answer with [`FromInit::Armed`].
    Arm {
        /// As of [`ToInit::Start`].
        confinement: Confinement,
    },
    /// Start the runtime: its stdin reads requests, its stdout writes answers, its stderr writes logs.
    Start {
        /// The program, an absolute path, and its arguments.
        argv: Vec<String>,
        /// Its whole environment.
        env: BTreeMap<String, String>,
        /// Its working directory.
        cwd: String,
        /// Whether its stdout goes where its stderr goes: a plain program, which speaks no protocol. Not after [`ToInit::Arm`].
        #[serde(default)]
        is_plain: bool,
        /// What it may no longer do, and nothing that it starts. None after [`ToInit::Arm`], and only then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confinement: Option<Confinement>,
    },
    /// Answer with [`FromInit::Processes`].
    Processes,
    /// End every process but the init, then answer with a new [`FromInit::Ready`], whose pipes a next runtime gets.
    Restart,
    /// Make sockets in the sandbox's network, hand them over with [`FromInit::Listening`], and forget them.
    Listen {
        /// A datagram socket at this port of 127.0.0.1.
        datagrams: u16,
        /// A stream socket that listens at each of these ports of every address, at most [`MAX_LISTENERS`].
        streams: Vec<u16>,
    },
}

/// What the init tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromInit {
    /// The sandbox is set up; three descriptors come with it.
    Ready {
        /// Layers of the isolation that the kernel did not give, though the sandbox is up.
        #[serde(default)]
        missing: Vec<String>,
        /// The kernel's version of Landlock; 0 where it has none.
        #[serde(default)]
        landlock_abi: u32,
    },
    /// A step of the set-up failed; the init ends.
    Failed {
        /// Which step, such as `pivot_root`.
        step: String,
        /// The system's message.
        error: String,
    },
    /// A process is confined, and waits for its program.
    Armed,
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
    /// The sockets come with it: the one for datagrams, then the listeners in the order in which they were asked for.
    Listening,
}

/// What the init takes from a process before it becomes a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The filter of system calls, an instruction each: code, jt, jf and k from the highest bits to the lowest, of 16, 8, 8
    /// and 32 bits. Without one nothing is started.
    pub filter: Vec<u64>,
    /// Whether it may write to `/workspace`.
    pub is_workspace_writable: bool,
}

/// What the native driver tells its init first, framed like every message. Paths are the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The root file system, bound read only.
    pub rootfs: String,
    /// An empty folder on which the new root is put together.
    pub new_root: String,
    /// What becomes `/workspace`.
    pub workspace: String,
    /// Whether it can be written to; else code is attached to it later.
    pub is_workspace_writable: bool,
    /// Further read-only folders or files: (host, inside).
    pub mounts: Vec<(String, String)>,
    /// Whether it stays in the host's network.
    pub has_host_network: bool,
    /// Bytes of `/tmp`.
    pub tmp_bytes: u64,
    /// Bytes of the largest file.
    pub max_file_bytes: u64,
    /// Processes of its user.
    pub processes: u32,
    /// Which user of the host it is; none where the service isn't root: then the service's own.
    pub host_uid: Option<u32>,
}

/// Who the code is, inside.
pub const SANDBOX_UID: u32 = 65532;
