//! What nothing referred to at earlier looks, and since when.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cloudbox_storage::Item;
use tokio::time::Instant;

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On this node.
    Node,
    /// In the object store.
    Store,
}

/// What was found by earlier looks.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    since: HashMap<(Place, Item), Instant>,
}

impl Suspects {
    /// How long an item has to wait still; what is found for the first time begins to wait now.
    pub fn wait(&mut self, place: Place, item: &Item, grace: Duration) -> Duration {
        let since = *self.since.entry((place, item.clone())).or_insert_with(Instant::now);
        grace.saturating_sub(since.elapsed())
    }

    /// Forgets those that were used.
    pub fn forget(&mut self, touched: &HashSet<Item>) {
        self.since.retain(|suspect, _| !touched.contains(&suspect.1));
    }

    /// Forgets those that are not among these, and those that were used meanwhile.
    pub fn keep(&mut self, found: &HashSet<(Place, Item)>, touched: &HashSet<Item>) {
        self.since.retain(|suspect, _| found.contains(suspect) && !touched.contains(&suspect.1));
    }
}

#[cfg(test)]
mod tests;
