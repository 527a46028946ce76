//! Who needs what just now: what somebody holds is not removed, whatever the database says of it.
//!
//! A removal begins before its last look at the database, and ends only where nobody took hold meanwhile. So either the
//! look sees the row that refers to the item, or the removal sees the hold of who is about to write that row.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::error::Error;

/// What is kept by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What sandboxes run.
    Artefact,
    /// Sources as they were uploaded.
    Package,
    /// Sets of installed dependencies.
    Dependencies,
    /// Root file systems that a driver keeps.
    Image,
    /// Root file systems that were made from toolchains.
    Bundle,
    /// Uploads to the object store that were broken off.
    Upload,
}

impl Kind {
    /// As people and the database see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Artefact => "artefact",
            Self::Package => "package",
            Self::Dependencies => "dependencies",
            Self::Image => "image",
            Self::Bundle => "bundle",
            Self::Upload => "upload",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its SHA-256 in hex, or what else names it.
    pub name: String,
}

/// What all nodes that share an object store can see of one another's holds.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Notes that a node needs an item; its number. Waits while another node removes the object.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn hold(&self, item: &Item) -> Result<i64, Error>;

    /// Takes the note back.
    async fn release(&self, number: i64);
}

/// The holds of this node.
pub struct Holds {
    state: Mutex<State>,
    ledger: Option<Arc<dyn Ledger>>,
}

#[derive(Debug, Default)]
struct State {
    holders: HashMap<Item, usize>,
    /// What is about to be removed, and was not held since.
    going: HashSet<Item>,
    /// What was held since somebody asked last.
    touched: HashSet<Item>,
}

/// Keeps an item as long as it lives.
#[derive(Debug)]
pub struct Hold {
    holds: Arc<Holds>,
    item: Item,
    /// Its number in the ledger.
    number: Option<i64>,
}

/// A removal that was begun. Dropped, it comes to nothing.
#[derive(Debug)]
pub struct Removal {
    holds: Arc<Holds>,
    item: Item,
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holds").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Holds {
    /// None yet; with a ledger where nodes share an object store.
    #[must_use]
    pub fn new(ledger: Option<Arc<dyn Ledger>>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), ledger })
    }

    /// Keeps an item on this node.
    #[must_use]
    pub fn hold(self: &Arc<Self>, kind: Kind, name: &str) -> Hold {
        let item = Item { kind, name: name.to_owned() };
        let mut state = self.state.lock();
        *state.holders.entry(item.clone()).or_default() += 1;
        state.going.remove(&item);
        state.touched.insert(item.clone());
        drop(state);
        Hold { holds: Arc::clone(self), item, number: None }
    }

    /// Keeps an item on this node and, where nodes share an object store, there.
    ///
    /// # Errors
    /// Who shares it can't be told.
    pub async fn hold_everywhere(self: &Arc<Self>, kind: Kind, name: &str) -> Result<Hold, Error> {
        let mut hold = self.hold(kind, name);
        if let Some(ledger) = &self.ledger {
            hold.number = Some(ledger.hold(&hold.item).await?);
        }
        Ok(hold)
    }

    /// Begins to remove an item, before the last look at whether it is needed; none where it is held.
    #[must_use]
    pub fn begin_removal(self: &Arc<Self>, item: Item) -> Option<Removal> {
        let mut state = self.state.lock();
        if state.holders.contains_key(&item) || !state.going.insert(item.clone()) {
            return None;
        }
        drop(state);
        Some(Removal { holds: Arc::clone(self), item })
    }

    /// What was held since this was asked last, or is held now.
    #[must_use]
    pub fn take_touched(&self) -> HashSet<Item> {
        let mut state = self.state.lock();
        let mut touched = std::mem::take(&mut state.touched);
        touched.extend(state.holders.keys().cloned());
        touched
    }
}

impl Removal {
    /// What is to go.
    #[must_use]
    pub const fn item(&self) -> &Item {
        &self.item
    }

    /// Takes the item away by `act`, which must be quick, and whom nobody can take hold before; none where somebody has
    /// it now or had it meanwhile.
    pub fn finish<T>(self, act: impl FnOnce() -> T) -> Option<T> {
        let state = self.holds.state.lock();
        let acted = state.going.contains(&self.item).then(act);
        drop(state);
        acted
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.holds.state.lock().going.remove(&self.item);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.state.lock();
        if let Some(holders) = state.holders.get_mut(&self.item) {
            *holders -= 1;
            if *holders == 0 {
                state.holders.remove(&self.item);
            }
        }
        drop(state);
        let (Some(number), Some(ledger)) = (self.number, self.holds.ledger.clone()) else { return };
        // A note that nobody takes back is over by itself some time after.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { ledger.release(number).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item { kind: Kind::Artefact, name: "a".to_owned() }
    }

    #[test]
    fn what_is_held_is_not_removed() {
        let holds = Holds::new(None);
        let (one, other) = (holds.hold(Kind::Artefact, "a"), holds.hold(Kind::Artefact, "a"));
        drop(one);
        assert!(holds.begin_removal(item()).is_none());
        drop(other);
        let removal = holds.begin_removal(item()).unwrap();
        assert!(holds.begin_removal(item()).is_none(), "it goes once");
        assert_eq!(removal.finish(|| "gone"), Some("gone"));
        assert!(holds.begin_removal(item()).is_some(), "and a removal leaves nothing behind");
    }

    #[test]
    fn who_takes_hold_of_what_goes_keeps_it() {
        let holds = Holds::new(None);
        let removal = holds.begin_removal(item()).unwrap();
        drop(holds.hold(Kind::Artefact, "a"));
        assert_eq!(removal.finish(|| "gone"), None, "it may be in a row by now");
        let removal = holds.begin_removal(item()).unwrap();
        drop(holds.hold(Kind::Package, "a"));
        assert_eq!(removal.finish(|| "gone"), Some("gone"), "another kind is another item");
    }

    #[test]
    fn what_was_used_since_the_last_look_is_told() {
        let holds = Holds::new(None);
        drop(holds.hold(Kind::Artefact, "a"));
        assert!(holds.take_touched().contains(&item()));
        assert!(holds.take_touched().is_empty());
        let _hold = holds.hold(Kind::Artefact, "a");
        assert!(holds.take_touched().contains(&item()) && holds.take_touched().contains(&item()));
    }
}
