//! Generic sandboxes: the language is up, no code is in them. Each is used once.

use std::collections::VecDeque;
use std::sync::Arc;

use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_sandbox::{Launch, Network, Program, RootFs, Sandbox, SandboxSpec, Workspace};
use cloudbox_types::Limits;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::budget::Permit;

/// One kind of generic sandbox, and how many of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpareSpec {
    /// Its root.
    pub rootfs: RootFs,
    /// What runs in it. None for compiled functions: the sandbox is there, and the program comes with the code.
    pub program: Option<Program>,
    /// What it may use until it is bound; its memory counts against the budget.
    pub limits: Limits,
    /// Bytes of the largest file it may write.
    pub max_file_bytes: u64,
    /// How much an exchange may bring.
    pub channel: ChannelLimits,
    /// How many are held ready.
    pub count: u32,
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

    /// Whether a version can be loaded into it. Limits don't matter: binding sets them. What the runtime was told of
    /// its memory is among the program's arguments.
    #[must_use]
    pub fn suits(&self, launch: &Launch) -> bool {
        let program = launch.starts_before_code.then_some(&launch.program);
        self.rootfs.digest == launch.rootfs.digest
            && self.program.as_ref() == program
            && self.max_file_bytes == launch.max_file_bytes
            && self.channel == launch.channel
    }

    fn is_same_kind(&self, other: &Self) -> bool {
        Self { count: 0, ..self.clone() } == Self { count: 0, ..other.clone() }
    }
}

/// Names a kind for as long as the pool lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KindId(u64);

/// A generic sandbox that is up.
pub(crate) struct Spare {
    pub sandbox: Box<dyn Sandbox>,
    pub permit: Permit,
    pub born: Instant,
}

/// One kind's spares.
pub(crate) struct Kind {
    pub id: KindId,
    pub spec: Arc<SpareSpec>,
    /// The oldest first.
    pub ready: VecDeque<Spare>,
    pub starting: u32,
    pub backoff: Backoff,
}

impl Kind {
    /// How many are missing.
    pub fn missing(&self) -> u32 {
        let there = u32::try_from(self.ready.len()).unwrap_or(u32::MAX).saturating_add(self.starting);
        self.spec.count.saturating_sub(there)
    }
}

/// All kinds.
#[derive(Default)]
pub(crate) struct Spares {
    pub kinds: Vec<Kind>,
    last_id: u64,
}

impl Spares {
    /// Replaces the wanted kinds; what is not wanted any more comes back.
    pub fn set(&mut self, specs: Vec<SpareSpec>) -> Vec<Spare> {
        let mut old = std::mem::take(&mut self.kinds);
        let mut surplus = Vec::new();
        for spec in specs {
            let known = old.iter().position(|kind| kind.spec.is_same_kind(&spec));
            let mut kind = known.map_or_else(|| self.new_kind(&spec), |at| old.swap_remove(at));
            kind.spec = Arc::new(spec);
            while kind.ready.len() > kind.spec.count as usize {
                surplus.extend(kind.ready.pop_front());
            }
            self.kinds.push(kind);
        }
        surplus.extend(old.into_iter().flat_map(|kind| kind.ready));
        surplus
    }

    fn new_kind(&mut self, spec: &SpareSpec) -> Kind {
        self.last_id += 1;
        Kind {
            id: KindId(self.last_id),
            spec: Arc::new(spec.clone()),
            ready: VecDeque::new(),
            starting: 0,
            backoff: Backoff::default(),
        }
    }

    pub fn get_mut(&mut self, id: KindId) -> Option<&mut Kind> {
        self.kinds.iter_mut().find(|kind| kind.id == id)
    }

    /// The kind that a version can be loaded into, the one with most spares ready.
    pub fn suited(&mut self, launch: &Launch) -> Option<&mut Kind> {
        let suited = self.kinds.iter_mut().filter(|kind| kind.spec.suits(launch));
        suited.max_by_key(|kind| kind.ready.len())
    }

    /// Takes any, for its memory.
    pub fn evict(&mut self) -> Option<Spare> {
        self.kinds.iter_mut().max_by_key(|kind| kind.ready.len())?.ready.pop_front()
    }

    /// Takes all of which `is_due` holds.
    pub fn take_due(&mut self, mut is_due: impl FnMut(&Spare) -> bool) -> Vec<Spare> {
        let mut due = Vec::new();
        for kind in &mut self.kinds {
            let (gone, kept) = std::mem::take(&mut kind.ready).into_iter().partition(&mut is_due);
            kind.ready = kept;
            due.extend::<VecDeque<Spare>>(gone);
        }
        due
    }

    pub fn ready(&self) -> usize {
        self.kinds.iter().map(|kind| kind.ready.len()).sum()
    }

    /// What evicting all would give back.
    pub fn permits(&self) -> impl Iterator<Item = &Permit> {
        self.kinds.iter().flat_map(|kind| kind.ready.iter().map(|spare| &spare.permit))
    }
}
