//! Generic sandboxes: the language is up, no code is in them. Each is used once.

use std::collections::VecDeque;
use std::sync::Arc;

use cloudbox_sandbox::{Launch, Sandbox};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::budget::Permit;
use crate::spare_spec::SpareSpec;

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
