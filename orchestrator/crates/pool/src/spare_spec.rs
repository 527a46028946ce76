//! What a generic sandbox is made from, and which versions it suits.

use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_sandbox::{Launch, Network, Program, RootFs, SandboxSpec, Workspace};
use cloudbox_types::Limits;

/// One kind of generic sandbox, and how many of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpareSpec {
    /// Its root.
    pub rootfs: RootFs,
    /// What runs in it. None for compiled functions: a process waits there for the program, which comes with the code.
    pub program: Option<Program>,
    /// What it may use until it is bound; its memory counts against the budget.
    pub limits: Limits,
    /// Whether its `/tmp` keeps the size that `limits` give it: the driver can't change it.
    pub is_tmp_fixed: bool,
    /// Bytes of the largest file it may write.
    pub max_file_bytes: u64,
    /// How much an exchange may bring.
    pub channel: ChannelLimits,
    /// How many are held ready at least.
    pub count: u32,
    /// How many are held ready where starts found none.
    pub most: u32,
}

impl SpareSpec {
    /// The sandbox to create.
    #[must_use]
    pub fn sandbox(&self) -> SandboxSpec {
        SandboxSpec {
            rootfs: self.rootfs.clone(),
            limits: self.limits,
            workspace: Workspace::Slot,
            mounts: Vec::new(),
            network: Network::None,
            max_file_bytes: self.max_file_bytes,
            channel: self.channel,
        }
    }

    /// Whether a version can be loaded into it. Limits don't matter but for a fixed `/tmp`: binding sets them. What the runtime was told of
    /// its memory is among the program's arguments.
    #[must_use]
    pub fn suits(&self, launch: &Launch) -> bool {
        let program = launch.starts_before_code.then_some(&launch.program);
        self.rootfs.digest == launch.rootfs.digest
            && self.program.as_ref() == program
            && (!self.is_tmp_fixed || self.limits.tmp_bytes() == launch.limits.tmp_bytes())
            && self.max_file_bytes == launch.max_file_bytes
            && self.channel == launch.channel
    }

    pub(crate) fn is_same_kind(&self, other: &Self) -> bool {
        Self { count: 0, most: 0, ..self.clone() } == Self { count: 0, most: 0, ..other.clone() }
    }

    /// The kind that a version can be loaded into: none is held but for demand, and then at most `most`.
    pub(crate) fn of(launch: &Launch, is_tmp_fixed: bool, most: u32) -> Self {
        Self {
            rootfs: launch.rootfs.clone(),
            program: launch.starts_before_code.then(|| launch.program.clone()),
            limits: launch.limits,
            is_tmp_fixed,
            max_file_bytes: launch.max_file_bytes,
            channel: launch.channel,
            count: 0,
            most,
        }
    }
}
