//! The code store: one folder per artefact, named by its digest, complete or not there at all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tempfile::TempDir;

use crate::error::StageError;

/// What a folder that is being written begins with.
pub(crate) const PREFIX: &str = ".taking-";

/// The artefacts of all versions.
#[derive(Debug)]
pub struct CodeStore {
    folder: PathBuf,
    /// Artefacts that no version has yet, by digest: how many deployments are about to make one. What was there
    /// before, or became a version's meanwhile, is not in it.
    tentative: Mutex<HashMap<String, usize>>,
}

impl CodeStore {
    /// A store in this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, tentative: Mutex::new(HashMap::new()) }
    }

    /// The folder, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the same file system, to put an artefact together in.
    ///
    /// # Errors
    /// It can't be made.
    pub fn staging(&self) -> Result<TempDir, StageError> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.folder);
        made.map_err(StageError::io("making a folder in", &self.folder))
    }

    /// Takes an artefact in. One of the same digest that is there already stays.
    ///
    /// # Errors
    /// It can't be moved or written to the disk.
    pub fn put(&self, digest: &str, staging: TempDir) -> Result<(), StageError> {
        let target = self.folder.join(digest);
        let mut tentative = self.tentative.lock();
        if let Some(deployments) = tentative.get_mut(digest) {
            *deployments += 1;
            return Ok(());
        }
        if target.is_dir() {
            return Ok(());
        }
        sync_folders(staging.path())?;
        open_to_read(staging.path())?;
        fs::rename(staging.path(), &target).map_err(StageError::io("moving into place", &target))?;
        // It is not where it was made any more.
        let _ = staging.keep();
        sync(&self.folder)?;
        tentative.insert(digest.to_owned(), 1);
        Ok(())
    }

    /// A version has the artefact now.
    pub fn keep(&self, digest: &str) {
        self.tentative.lock().remove(digest);
    }

    /// A deployment that put the artefact in made no version: it goes, unless somebody else has it.
    pub fn give_up(&self, digest: &str) {
        let mut tentative = self.tentative.lock();
        let Some(deployments) = tentative.get_mut(digest) else { return };
        *deployments -= 1;
        if *deployments == 0 {
            tentative.remove(digest);
            let path = self.folder.join(digest);
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "an artefact without a version could not be removed");
            }
        }
    }
}

/// Sandboxes of any user look into an artefact.
fn open_to_read(folder: &Path) -> Result<(), StageError> {
    use std::os::unix::fs::PermissionsExt;
    for folder in folders(folder)? {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .map_err(StageError::io("changing the mode of", &folder))?;
    }
    Ok(())
}

fn sync_folders(folder: &Path) -> Result<(), StageError> {
    folders(folder)?.iter().try_for_each(|folder| sync(folder))
}

fn sync(path: &Path) -> Result<(), StageError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(StageError::io("writing", path))
}

/// A folder and those below it.
fn folders(top: &Path) -> Result<Vec<PathBuf>, StageError> {
    let mut all = vec![top.to_owned()];
    let mut next = 0;
    while let Some(folder) = all.get(next).cloned() {
        let entries = fs::read_dir(&folder).map_err(StageError::io("reading", &folder))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        all.extend(paths.filter(|path| path.is_dir() && !path.is_symlink()));
        next += 1;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (CodeStore, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (CodeStore::new(folder.path().to_owned()), folder)
    }

    fn put(store: &CodeStore, digest: &str) {
        let staging = store.staging().unwrap();
        fs::create_dir(staging.path().join("lib")).unwrap();
        fs::write(staging.path().join("lib/a.js"), "code").unwrap();
        store.put(digest, staging).unwrap();
    }

    #[test]
    fn an_artefact_is_there_whole_and_once() {
        let (store, folder) = store();
        put(&store, "one");
        put(&store, "one");
        assert_eq!(fs::read(folder.path().join("one/lib/a.js")).unwrap(), b"code");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no folder to put it together in is left"
        );
    }

    #[test]
    fn what_was_given_up_goes_unless_somebody_has_it() {
        let (store, folder) = store();
        let is_there = |digest: &str| folder.path().join(digest).exists();
        put(&store, "one");
        put(&store, "one");
        store.give_up("one");
        assert!(is_there("one"), "another deployment has it");
        store.give_up("one");
        assert!(!is_there("one"));

        put(&store, "two");
        put(&store, "two");
        store.keep("two");
        store.give_up("two");
        assert!(is_there("two"), "a version has it");

        fs::create_dir(folder.path().join("three")).unwrap();
        put(&store, "three");
        store.give_up("three");
        assert!(is_there("three"), "it was there before");
    }
}
