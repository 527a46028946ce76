//! What a sandbox is made from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use cloudbox_types::Limits;

/// Names one sandbox: its container, its cgroup, its folder. Unique over the lives of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxId(pub String);

impl SandboxId {
    /// A new id: 16 hex digits from the wall clock and random bits, short enough for a cgroup's name.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which service a sandbox belongs to: the labels by which leftovers are told from others' property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Made once per data folder, kept there.
    pub id: String,
    /// Made at each start of the service.
    pub boot: String,
    /// Where the instance keeps what lives as long as a sandbox: sockets, slots. Absolute; on Linux it must not be
    /// longer than 60 bytes, since socket paths end at 108.
    pub run_dir: PathBuf,
}

/// A root file system on disk, read only for the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RootFs {
    /// Its runtime and purpose, such as `nodejs20` or `go1.26-build`; lower case.
    pub name: String,
    /// The folder, absolute.
    pub path: PathBuf,
    /// SHA-256 of what it was made from, in hex: the tag of its image.
    pub digest: String,
    /// The id of an image of the daemon that it is made from, with what is in the folder over it; none where the folder
    /// is all of it.
    pub base: Option<String>,
}

/// A program and how it is started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// A path inside the sandbox, or a name that is looked for on the `PATH` of `env`; and the arguments.
    pub argv: Vec<String>,
    /// Its whole environment; never a secret, since a container's settings can be read.
    pub env: BTreeMap<String, String>,
    /// Where it starts; none for the sandbox's usual place.
    pub cwd: Option<String>,
    /// Whether it has all the threads that it will ever start by itself once code is loaded, so that any further one is
    /// the code's.
    pub has_fixed_threads: bool,
}

/// A folder that becomes `/workspace`, read only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodeDir {
    /// The folder on the host, absolute.
    pub path: PathBuf,
    /// Whether programs in it may be started (a compiled function).
    pub is_executable: bool,
}

/// What is at `/workspace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workspace {
    /// Nothing until [`crate::Sandbox::bind`].
    Slot,
    /// A folder of the host, writable by the sandbox (a build).
    Writable(PathBuf),
}

/// What the sandbox reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing: its own namespace, with a loopback device at most.
    None,
    /// What the host reaches (a build that installs dependencies).
    Host,
}

/// Everything a driver needs to make a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Its root.
    pub rootfs: RootFs,
    /// What it may use.
    pub limits: Limits,
    /// What is at `/workspace`.
    pub workspace: Workspace,
    /// Further folders of the host, read only: (host, inside).
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// What it reaches.
    pub network: Network,
    /// Bytes of the largest file it may write.
    pub max_file_bytes: u64,
    /// How much an exchange may bring.
    pub channel: cloudbox_protocol::channel::ChannelLimits,
}
