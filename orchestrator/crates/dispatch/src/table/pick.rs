//! From what a call says to the version that it gets.

use std::sync::Arc;

use cloudbox_pool::TargetKey;
use cloudbox_types::{Canary, FunctionId, Name, Split};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Table;
use super::entry::Entry;
use super::routes::{Choice, KeySource, Wanted};
use super::watch::{Failed, Watch};

/// Makes the watches of splits, and hears of those that failed.
#[derive(Debug)]
pub struct Watches {
    told: mpsc::UnboundedSender<Failed>,
    failed: Mutex<Option<mpsc::UnboundedReceiver<Failed>>>,
}

impl Default for Watches {
    fn default() -> Self {
        let (told, failed) = mpsc::unbounded_channel();
        Self { told, failed: Mutex::new(Some(failed)) }
    }
}

impl Watches {
    pub(super) fn begin(
        &self,
        function: FunctionId,
        alias: &Name,
        split: &Split,
        canary: Canary,
    ) -> Arc<Watch> {
        Arc::new(Watch::new((function, alias), split, canary, self.told.clone()))
    }
}

impl Table {
    /// The entry of the version that a call gets; none where there is no such alias or version. `entry` is the
    /// table's own.
    ///
    /// # Errors
    /// The store's, for a version that is not in memory.
    pub async fn pick(
        &self,
        entry: Arc<Entry>,
        wanted: &Wanted,
        caller: &(dyn KeySource + Sync),
    ) -> Result<Option<Arc<Entry>>, cloudbox_store::Error> {
        let (number, watched) = match entry.routes.choose(wanted, caller) {
            None => return Ok(None),
            Some(Choice::Active) => return Ok(Some(Arc::clone(&entry))),
            Some(Choice::Number(number)) => (number, None),
            Some(Choice::Watched(number, cell, watch)) => match cell.get() {
                Some(entry) => return Ok(Some(Arc::clone(entry))),
                None => (number, Some((cell, watch))),
            },
        };
        let Some(found) = self.of_number(&entry, number).await? else { return Ok(None) };
        Ok(Some(match watched {
            Some((cell, watch)) => {
                Arc::clone(cell.get_or_init(|| Arc::new(found.watched(Arc::clone(watch)))))
            }
            None => found,
        }))
    }

    async fn of_number(
        &self,
        entry: &Arc<Entry>,
        number: i64,
    ) -> Result<Option<Arc<Entry>>, cloudbox_store::Error> {
        if entry.number() == Some(number) {
            return Ok(Some(Arc::clone(entry)));
        }
        if let Some(known) = entry.of_number(number) {
            return Ok(Some(known));
        }
        let version = self.store.version(entry.function.id, number).await?;
        Ok(version.map(|version| entry.note(number, Arc::new(entry.sibling(version)))))
    }

    /// Reads the versions that a function's aliases name, so that calls of these don't have to.
    ///
    /// # Errors
    /// The store's.
    pub async fn fetch_named(&self, entry: &Arc<Entry>) -> Result<(), cloudbox_store::Error> {
        let named: Vec<i64> = entry.routes.named().collect();
        for number in named {
            self.of_number(entry, number).await?;
        }
        Ok(())
    }

    /// The splits that failed, as they fail. Once: the second one to ask gets nothing.
    pub fn failed_splits(&self) -> Option<mpsc::UnboundedReceiver<Failed>> {
        self.watches.failed.lock().take()
    }
}

impl Entry {
    /// The pool's keys of all versions that calls without a number may get.
    #[must_use]
    pub fn keys(&self) -> Vec<TargetKey> {
        let mut numbers: Vec<i64> = self.number().into_iter().chain(self.routes.named()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let function = &self.function;
        let key = |version| TargetKey {
            project: function.project_id,
            function: function.id,
            version,
            revision: function.revision,
        };
        numbers.into_iter().map(key).collect()
    }

    /// The entries of all versions that calls without a number may get, as far as they are in memory.
    #[must_use]
    pub fn standing(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let others = self.keys().into_iter().filter(|key| self.number() != Some(key.version));
        let others = others.filter_map(|key| self.of_number(key.version));
        self.version.is_some().then(|| Arc::clone(self)).into_iter().chain(others).collect()
    }
}
