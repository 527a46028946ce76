//! Installed dependencies, one folder per set of them, so that a set that didn't change is installed once.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use cloudbox_bundles::digest::Parts;
use cloudbox_dependencies::Wanted;
use cloudbox_storage::{Hold, Holds, Kind};
use tempfile::TempDir;
use tokio::sync::OwnedMutexGuard;

use crate::error::Error;
use crate::unfinished::{aside, names, remove_all, unshared_bytes};

/// What a folder that is being written begins with.
const PREFIX: &str = ".installing-";
/// The folder of notes: `<set>/<artefact that was made with it>`.
const USERS: &str = ".users";

/// The sets of all functions. A set's files are never written to again: they are in artefacts, too, as links.
#[derive(Debug)]
pub struct DependencyStore {
    folder: PathBuf,
    /// Who installs a set just now, by its key: others that want the same one wait.
    turns: parking_lot::Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    holds: Arc<Holds>,
}

/// A set for one function.
#[derive(Clone, Debug)]
pub struct InstalledSet {
    /// Its name, as [`key`] says.
    pub key: String,
    /// Its folder in the store.
    pub folder: PathBuf,
    /// Where it belongs, relative to the workspace.
    pub place: String,
    /// Where the compiler sees it instead; it is no part of the artefact then.
    pub mount: Option<PathBuf>,
    /// Keeps it there.
    pub hold: Arc<Hold>,
}

/// Names a set: SHA-256 over the runtime, its build root, and the manifest and lock that it is installed from, in hex.
#[must_use]
pub fn key(runtime: &str, root: &str, wanted: &Wanted, may_run_scripts: bool) -> String {
    let mut parts = Parts::default();
    parts.add(runtime).add(root).add([u8::from(may_run_scripts), u8::from(wanted.is_locked)]);
    for (name, text) in &wanted.files {
        parts.add(name).add(text);
    }
    parts.finish()
}

impl DependencyStore {
    /// A store in this folder.
    #[must_use]
    pub fn new(folder: PathBuf, holds: Arc<Holds>) -> Self {
        Self { folder, turns: parking_lot::Mutex::default(), holds }
    }

    /// Keeps a set from being removed, before it is looked for or put.
    #[must_use]
    pub fn hold(&self, key: &str) -> Hold {
        self.holds.hold(Kind::Dependencies, key)
    }

    /// Notes that an artefact was made with a set: as long as the one is needed, so is the other.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_user(&self, key: &str, artefact: &str) -> Result<(), Error> {
        let folder = self.folder.join(USERS).join(key);
        fs::create_dir_all(&folder).map_err(Error::io("making", &folder))?;
        let note = folder.join(artefact);
        fs::write(&note, "").map_err(Error::io("writing", note))
    }

    /// The artefacts that were made with a set.
    #[must_use]
    pub fn users(&self, key: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(USERS).join(key)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Forgets that an artefact was made with a set.
    pub fn forget_user(&self, key: &str, artefact: &str) {
        // A note too many costs a set's place and nothing else.
        let _ = fs::remove_file(self.folder.join(USERS).join(key).join(artefact));
    }

    /// The sets that are here.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<String>, Error> {
        names(&self.folder)
    }

    /// Bytes that are free again when a set is gone: those of its files that no artefact shares.
    #[must_use]
    pub fn bytes(&self, key: &str) -> u64 {
        unshared_bytes(&self.folder.join(key))
    }

    /// Takes a set's name away at once; the files are gone when what this gives is dropped.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn remove(&self, key: &str) -> Result<TempDir, Error> {
        let gone = aside(&self.folder, key, PREFIX)?;
        drop(aside(&self.folder.join(USERS), key, PREFIX));
        Ok(gone)
    }

    /// Waits until nobody else installs this set, and keeps others from it until it is dropped.
    pub async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock();
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(key).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(key.to_owned(), Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// The folder of a set that is here, whole.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.join(key)).filter(|path| path.is_dir())
    }

    /// A folder on the same file system, to put a set together in.
    ///
    /// # Errors
    /// It can't be made.
    pub fn staging(&self) -> Result<TempDir, Error> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.folder);
        made.map_err(Error::io("making a folder in", &self.folder))
    }

    /// Removes what an earlier life was about to write.
    ///
    /// # Errors
    /// The folder can't be read, or something in it can't be removed.
    pub fn remove_unfinished(&self) -> Result<(), Error> {
        remove_all(&self.folder, PREFIX)?;
        let notes = self.folder.join(USERS);
        for entry in fs::read_dir(&notes).into_iter().flatten().flatten() {
            // Of a set that went, or was never put: a note comes after its set.
            if !self.folder.join(entry.file_name()).is_dir() {
                fs::remove_dir_all(entry.path()).map_err(Error::io("removing", entry.path()))?;
            }
        }
        Ok(())
    }

    /// Takes a set in. Where another deployment was faster, its folder stays.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn put(&self, key: &str, staging: TempDir) -> Result<PathBuf, Error> {
        let target = self.folder.join(key);
        match fs::rename(staging.path(), &target) {
            Ok(()) => {
                // It is not where it was made any more.
                let _ = staging.keep();
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            }
            Err(error) => return Err(Error::io("moving into place", &target)(error)),
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, is_locked: bool) -> Wanted {
        Wanted { files: vec![("list".to_owned(), text.to_owned())], packages: Vec::new(), is_locked }
    }

    #[test]
    fn a_set_is_named_by_all_that_it_depends_on() {
        let one = key("nodejs20", "r", &set("a", false), false);
        assert_eq!(one.len(), 64);
        assert_eq!(one, key("nodejs20", "r", &set("a", false), false));
        for other in [
            key("nodejs22", "r", &set("a", false), false),
            key("nodejs20", "s", &set("a", false), false),
            key("nodejs20", "r", &set("b", false), false),
            key("nodejs20", "r", &set("a", true), false),
            key("nodejs20", "r", &set("a", false), true),
        ] {
            assert_ne!(one, other);
        }
    }

    #[tokio::test]
    async fn one_at_a_time_installs_a_set() {
        let store = DependencyStore::new(PathBuf::new(), Holds::new(None));
        let first = store.turn("a").await;
        drop(store.turn("b").await);
        let mut second = Box::pin(store.turn("a"));
        assert!(futures_are_pending(&mut second).await);
        drop(first);
        drop(second.await);
        drop(store.turn("a").await);
        assert_eq!(store.turns.lock().len(), 1);
    }

    async fn futures_are_pending(waiting: &mut (impl Future + Unpin)) -> bool {
        tokio::select! {
            biased;
            _ = waiting => false,
            () = std::future::ready(()) => true,
        }
    }

    #[test]
    fn the_first_of_two_deployments_wins_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = DependencyStore::new(folder.path().to_owned(), Holds::new(None));
        assert_eq!(store.find("set"), None);
        let stagings = [store.staging().unwrap(), store.staging().unwrap()];
        for (number, staging) in stagings.iter().enumerate() {
            fs::create_dir(staging.path().join("lib")).unwrap();
            fs::write(staging.path().join("lib/a.js"), format!("{number}")).unwrap();
        }
        for staging in stagings {
            store.put("set", staging).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::read(folder.path().join("set/lib/a.js")).unwrap(), b"0");
    }

    #[test]
    fn a_set_knows_the_artefacts_that_were_made_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = DependencyStore::new(folder.path().to_owned(), Holds::new(None));
        let staging = store.staging().unwrap();
        fs::write(staging.path().join("a.js"), "code").unwrap();
        fs::hard_link(staging.path().join("a.js"), folder.path().join("shared")).unwrap();
        fs::write(staging.path().join("b.js"), "more!").unwrap();
        store.put("set", staging).unwrap();
        store.note_user("set", "one").unwrap();
        store.note_user("set", "two").unwrap();
        store.forget_user("set", "two");
        assert_eq!(store.users("set"), ["one"]);
        assert_eq!((store.list().unwrap(), store.bytes("set")), (vec!["set".to_owned()], 5));
        for left in ["gone", ".installing-a"] {
            fs::create_dir_all(folder.path().join(USERS).join(left).join("one")).unwrap();
        }
        store.remove_unfinished().unwrap();
        assert_eq!(
            fs::read_dir(folder.path().join(USERS)).unwrap().count(),
            1,
            "those of the set that is there"
        );
        drop(store.remove("set").unwrap());
        assert!(store.find("set").is_none() && store.users("set").is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "`.users` and what was shared");
    }
}
