//! The versions of a function besides the active one: which calls get them, and what was made of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use cloudbox_types::alias::ACTIVE;
use cloudbox_types::{Alias, Function, FunctionId, Name, Sticky};
use sha2::{Digest as _, Sha256};

use super::Watches;
use super::entry::{Entry, Fork, Route, Routes};
use super::watch::Watch;

/// A call's place between 0 and this decides which of two versions it gets: hundredths of a percent.
const PLACES: u64 = 10_000;
/// 2^64 divided by the golden ratio: multiples of it are spread evenly over all numbers.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which version a call wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It doesn't say.
    Active,
    /// That of an alias.
    Alias(Name),
    /// This one.
    Number(i64),
}

/// What of a call decides between two versions, by the way of a split.
pub trait KeySource {
    /// The caller's key; none where it has none.
    fn key(&self, sticky: &Sticky) -> Option<String>;
}

/// Which version a call gets.
pub(super) enum Choice<'r> {
    /// What the entry has.
    Active,
    /// Another one.
    Number(i64),
    /// Another one, whose calls are counted.
    Watched(i64, &'r OnceLock<Arc<Entry>>, &'r Arc<Watch>),
}

impl Routes {
    pub(super) fn new(function: &Arc<Function>, known: Option<&Entry>, watches: &Watches) -> Self {
        let mut routes = Self::default();
        for (name, alias) in &function.aliases {
            let fork = Fork::new(function, name, alias, known, watches);
            if name.as_str() == ACTIVE {
                routes.active = fork;
            } else {
                routes.aliases.insert(name.clone(), Route { version: alias.version, fork });
            }
        }
        routes
    }

    /// The versions that somebody names, but for the active one.
    pub(super) fn named(&self) -> impl Iterator<Item = i64> {
        let of_split = |fork: &Option<Fork>| fork.as_ref().map(|fork| fork.split.version);
        let aliases =
            self.aliases.values().flat_map(move |route| [Some(route.version), of_split(&route.fork)]);
        aliases.chain([of_split(&self.active)]).flatten()
    }

    /// Keeps the versions that are still named, with what was made of them under the same revision.
    pub(super) fn take_over(&self, made: &Entry, known: &Entry) {
        let is_same = made.has_targets_of(known);
        let named: Vec<i64> = self.named().collect();
        let kept = named.into_iter().filter_map(|number| {
            let before = known.of_number(number)?;
            let mut entry = made.sibling(before.version.clone()?);
            if is_same {
                entry.target = Arc::clone(&before.target);
            }
            Some((number, Arc::new(entry)))
        });
        self.known.store(Arc::new(kept.collect()));
    }

    /// Which version a call gets; none for an alias that isn't there.
    pub(super) fn choose(&self, wanted: &Wanted, caller: &dyn KeySource) -> Option<Choice<'_>> {
        let (of_alias, fork) = match wanted {
            Wanted::Number(number) => return Some(Choice::Number(*number)),
            Wanted::Active => (Choice::Active, &self.active),
            Wanted::Alias(name) if name.as_str() == ACTIVE => (Choice::Active, &self.active),
            Wanted::Alias(name) => {
                let route = self.aliases.get(name)?;
                (Choice::Number(route.version), &route.fork)
            }
        };
        let Some(fork) = fork.as_ref().filter(|fork| fork.takes(caller)) else { return Some(of_alias) };
        Some(match &fork.watch {
            Some(watch) => Choice::Watched(fork.split.version, &fork.watched, watch),
            None => Choice::Number(fork.split.version),
        })
    }
}

impl Entry {
    /// The entry of a version that was called, or is named, before.
    pub(super) fn of_number(&self, number: i64) -> Option<Arc<Self>> {
        if self.number() == Some(number) {
            let entry = Self { target: Arc::clone(&self.target), ..self.sibling(self.version.clone()?) };
            return Some(Arc::new(entry));
        }
        self.routes.known.load().get(&number).cloned()
    }

    /// Notes the entry of another version; the one that was noted first stays.
    pub(super) fn note(&self, number: i64, entry: Arc<Self>) -> Arc<Self> {
        self.routes.known.rcu(|known| {
            let mut more = (**known).clone();
            more.entry(number).or_insert_with(|| Arc::clone(&entry));
            more
        });
        self.routes.known.load().get(&number).cloned().unwrap_or(entry)
    }

    /// Whether calls that name no version may get another one than this entry's.
    #[must_use]
    pub const fn is_split(&self) -> bool {
        self.routes.active.is_some()
    }
}

impl Fork {
    fn new(
        function: &Function,
        name: &Name,
        alias: &Alias,
        known: Option<&Entry>,
        watches: &Watches,
    ) -> Option<Self> {
        let split = alias.split.clone()?;
        let before = known.and_then(|known| known.routes.fork(name)).filter(|fork| fork.split == split);
        let watch = match (before.and_then(|fork| fork.watch.clone()), split.canary) {
            (Some(watch), _) => Some(watch),
            (None, Some(canary)) => Some(watches.begin(function.id, name, &split, canary)),
            (None, None) => None,
        };
        let count = before.map_or(0, |fork| fork.count.load(Ordering::Relaxed));
        Some(Self { function: function.id, split, count: count.into(), watch, watched: OnceLock::new() })
    }

    /// Whether a call goes the other way.
    fn takes(&self, caller: &dyn KeySource) -> bool {
        if self.watch.as_ref().is_some_and(|watch| watch.is_over()) {
            return false;
        }
        let place = match caller.key(&self.split.sticky) {
            Some(key) => place_of(self.function, self.split.version, &key),
            None => {
                let number = self.count.fetch_add(1, Ordering::Relaxed).wrapping_mul(SPREAD);
                // The upper 32 bits, scaled: exact in 64.
                ((number >> 32) * PLACES) >> 32
            }
        };
        place < places(self.split.weight)
    }
}

impl Routes {
    fn fork(&self, name: &Name) -> Option<&Fork> {
        if name.as_str() == ACTIVE {
            return self.active.as_ref();
        }
        self.aliases.get(name).and_then(|route| route.fork.as_ref())
    }
}

/// A weight in hundredths of a percent.
fn places(weight: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 10,000")]
    let places = (weight.clamp(0.0, 100.0) * 100.0).round() as u64;
    places
}

/// A key's place: the first 8 bytes of the SHA-256 of `function:version:key`, big endian, modulo 10,000. It depends on
/// the new version, so that not always the same callers come first, and on no weight, so that who was moved stays moved
/// while the weight grows.
#[must_use]
pub fn place_of(function: FunctionId, version: i64, key: &str) -> u64 {
    let digest = Sha256::digest(format!("{function}:{version}:{key}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) % PLACES
}
