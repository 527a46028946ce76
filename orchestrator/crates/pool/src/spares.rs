//! Generic sandboxes: the language is up, no code is in them. Each is used once.
//!
//! How many are held follows demand: a start that finds none raises the number of its kind, and a kind that nobody asks
//! for falls back to what is held in any case. A kind that nobody has set is made by the first start that it would suit.
//!
//! Where the room is short, each start that asked for one lets an idle sandbox end for the next one, as it would have to
//! without any; but not a start of what would still be there if no spare had its room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use cloudbox_sandbox::{Launch, Sandbox};
use tokio::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::budget::{Need, Permit};
use crate::fleet::count;
use crate::spare_spec::SpareSpec;
use crate::target::TargetKey;

/// How long a spare's place stays empty: a start takes all of a core for tens of milliseconds, and the call that took the
/// spare is to have its answer first.
const REST: Duration = Duration::from_millis(20);

/// Kinds that demand has made. Another one takes the place of the one that was asked for the longest time ago.
const MAX_LEARNED: usize = 16;

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
    /// How many are to be held now.
    wanted: u32,
    /// When it was last asked for one.
    asked: Instant,
    /// Starts that asked for one, and have not had another one begun for them: so many may take an idle sandbox's room.
    sought: u32,
    /// Whether demand has made it.
    is_learned: bool,
    /// Until when none is started, since one was taken.
    rests_until: Option<Instant>,
}

impl Kind {
    /// How many are missing.
    pub fn missing(&self) -> u32 {
        self.wanted.saturating_sub(self.there())
    }

    /// Those that are ready, and those that are starting.
    pub fn there(&self) -> u32 {
        count(self.ready.len()).saturating_add(self.starting)
    }

    /// What one more takes.
    pub fn need(&self) -> Need {
        Need { memory_mb: u64::from(self.spec.limits.memory_mb), sandboxes: 1 }
    }

    /// Somebody asks for one, or is about to.
    pub fn seek(&mut self, now: Instant) {
        self.asked = now;
        self.sought = self.sought.saturating_add(1).min(self.missing());
    }

    /// Since when nobody may have used what makes room for one, if anything may.
    pub fn sought(&self) -> Option<Instant> {
        (self.sought > 0).then_some(self.asked)
    }

    /// The start of one begins.
    pub fn begin(&mut self) {
        self.starting += 1;
        self.sought = self.sought.saturating_sub(1);
    }

    /// A start takes the oldest one, or finds none.
    pub fn take(&mut self, now: Instant) -> Option<Spare> {
        self.asked = now;
        self.ready.pop_front()
    }

    /// One was taken for a call: when the next one may be started. Those that follow don't put it off.
    pub fn rest(&mut self, now: Instant) -> Instant {
        *self.rests_until.get_or_insert(now + REST)
    }

    /// Whether one may be started now.
    pub fn may_start(&mut self, now: Instant) -> bool {
        self.rests_until = self.rests_until.filter(|until| now < *until);
        self.rests_until.is_none() && self.backoff.until(now).is_none()
    }

    /// A start found none: one more is held from now on.
    pub fn missed(&mut self) {
        self.wanted = self.wanted.saturating_add(1).min(self.spec.most.max(self.spec.count));
    }

    /// Nobody has asked for a while: one less is held.
    fn shrink(&mut self, now: Instant) -> Option<Spare> {
        self.sought = 0;
        if self.wanted > self.spec.count {
            self.wanted -= 1;
            self.asked = now;
        }
        if self.ready.len() > self.wanted as usize { self.ready.pop_front() } else { None }
    }
}

/// All kinds.
#[derive(Default)]
pub(crate) struct Spares {
    pub kinds: Vec<Kind>,
    last_id: u64,
    /// Whose sandboxes ended for room, the last one last: of as many as there are spares, each would be there without these.
    displaced: VecDeque<TargetKey>,
}

impl Spares {
    /// Replaces the wanted kinds; what is not wanted any more comes back.
    pub fn set(&mut self, specs: Vec<SpareSpec>, now: Instant) -> Vec<Spare> {
        let mut old = std::mem::take(&mut self.kinds);
        let mut surplus = Vec::new();
        for spec in specs {
            let known = old.iter().position(|kind| kind.spec.is_same_kind(&spec));
            let mut kind = known.map_or_else(|| self.new_kind(&spec, now), |at| old.swap_remove(at));
            kind.wanted = spec.count;
            kind.is_learned = false;
            kind.spec = Arc::new(spec);
            while kind.ready.len() > kind.spec.count as usize {
                surplus.extend(kind.ready.pop_front());
            }
            self.kinds.push(kind);
        }
        surplus.extend(old.into_iter().flat_map(|kind| kind.ready));
        surplus
    }

    /// Makes the kind that suits a launch, with one to be held; what had to go for it comes back.
    pub fn learn(&mut self, launch: &Launch, is_tmp_fixed: bool, most: u32, now: Instant) -> Vec<Spare> {
        let learned = || self.kinds.iter().enumerate().filter(|(_, kind)| kind.is_learned);
        let oldest = learned().min_by_key(|(_, kind)| kind.asked).map(|(at, _)| at);
        let gone = oldest.filter(|_| learned().count() >= MAX_LEARNED).map(|at| self.kinds.remove(at));
        let kind = self.new_kind(&SpareSpec::of(launch, is_tmp_fixed, most), now);
        self.kinds.push(Kind { wanted: 1, sought: 1, is_learned: true, ..kind });
        gone.into_iter().flat_map(|kind| kind.ready).collect()
    }

    /// Forgets the kinds whose root is none of these; their spares come back.
    pub fn retain_roots(&mut self, digests: &BTreeSet<String>) -> Vec<Spare> {
        let (kept, gone) = std::mem::take(&mut self.kinds)
            .into_iter()
            .partition(|kind| digests.contains(&kind.spec.rootfs.digest));
        self.kinds = kept;
        gone.into_iter().flat_map(|kind: Kind| kind.ready).collect()
    }

    /// Holds fewer of what nobody has asked for since `idle_since`; what is held too many comes back.
    pub fn shrink(&mut self, idle_since: Instant, now: Instant) -> Vec<Spare> {
        let idle = self.kinds.iter_mut().filter(|kind| kind.asked <= idle_since);
        let surplus = idle.filter_map(|kind| kind.shrink(now)).collect();
        self.kinds.retain(|kind| !kind.is_learned || kind.wanted > 0 || kind.starting > 0);
        surplus
    }

    fn new_kind(&mut self, spec: &SpareSpec, now: Instant) -> Kind {
        self.last_id += 1;
        Kind {
            wanted: spec.count,
            asked: now,
            sought: 0,
            is_learned: false,
            rests_until: None,
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

    /// An idle sandbox of this key ended for room.
    pub fn displaced(&mut self, key: TargetKey) {
        self.displaced.push_back(key);
        // One that is about to be started is not counted yet.
        self.keep_displaced(self.there() + 1);
    }

    /// A start for this key's calls takes a spare or finds none. Where it would have found its sandbox but for the spares,
    /// what is called needs all the room, and nothing more ends for them.
    pub fn sought_by(&mut self, key: TargetKey, launch: &Launch, is_spared: bool, now: Instant) {
        self.keep_displaced(self.there() + u32::from(is_spared));
        if let Some(at) = self.displaced.iter().position(|displaced| *displaced == key) {
            self.displaced.remove(at);
            self.kinds.iter_mut().for_each(|kind| kind.sought = 0);
        } else if let Some(kind) = self.suited(launch) {
            kind.seek(now);
        }
    }

    fn keep_displaced(&mut self, most: u32) {
        let over = self.displaced.len().saturating_sub(most as usize);
        self.displaced.drain(..over);
    }

    fn there(&self) -> u32 {
        self.kinds.iter().map(Kind::there).sum()
    }

    pub fn ready(&self) -> usize {
        self.kinds.iter().map(|kind| kind.ready.len()).sum()
    }

    /// What evicting all would give back.
    pub fn permits(&self) -> impl Iterator<Item = &Permit> {
        self.kinds.iter().flat_map(|kind| kind.ready.iter().map(|spare| &spare.permit))
    }
}
