//! Installed dependencies, one folder per set of them, so that a set that didn't change is installed once.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cloudbox_bundles::digest::Parts;
use tempfile::TempDir;

use crate::error::StageError;

/// What a folder that is being written begins with.
pub(crate) const PREFIX: &str = ".installing-";

/// The sets of all functions.
#[derive(Debug)]
pub struct DependencyStore {
    folder: PathBuf,
}

/// Names a set: SHA-256 over the runtime, its build root and the sorted names and versions, in hex.
#[must_use]
pub fn key(runtime: &str, root: &str, dependencies: &BTreeMap<String, String>) -> String {
    let mut parts = Parts::default();
    parts.add(runtime).add(root);
    for (name, version) in dependencies {
        parts.add(name).add(version);
    }
    parts.finish()
}

impl DependencyStore {
    /// A store in this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
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
    pub fn staging(&self) -> Result<TempDir, StageError> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.folder);
        made.map_err(StageError::io("making a folder in", &self.folder))
    }

    /// Takes a set in. Where another deployment was faster, its folder stays.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn put(&self, key: &str, staging: TempDir) -> Result<PathBuf, StageError> {
        let target = self.folder.join(key);
        match fs::rename(staging.path(), &target) {
            Ok(()) => {
                // It is not where it was made any more.
                let _ = staging.keep();
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            }
            Err(error) => return Err(StageError::io("moving into place", &target)(error)),
        }
        Ok(target)
    }
}

/// Copies a set that is here into a build folder. Not by links: what a build changes would change for all.
///
/// # Errors
/// It can't be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    fs::create_dir_all(to).map_err(StageError::io("making", to))?;
    for entry in fs::read_dir(from).map_err(StageError::io("reading", from))? {
        let entry = entry.map_err(StageError::io("reading", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(StageError::io("reading", &path))?.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(StageError::io("copying", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn a_set_is_named_by_all_that_it_depends_on() {
        let one = key("nodejs20", "r", &set(&[("a", "1"), ("b", "2")]));
        assert_eq!(one.len(), 64);
        assert_eq!(one, key("nodejs20", "r", &set(&[("b", "2"), ("a", "1")])));
        for other in [
            key("nodejs22", "r", &set(&[("a", "1"), ("b", "2")])),
            key("nodejs20", "s", &set(&[("a", "1"), ("b", "2")])),
            key("nodejs20", "r", &set(&[("a", "1"), ("b", "3")])),
            key("nodejs20", "r", &set(&[("a", "1b2")])),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_first_of_two_deployments_wins_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = DependencyStore::new(folder.path().to_owned());
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

        let to = tempfile::tempdir().unwrap();
        copy(&store.find("set").unwrap(), &to.path().join("modules")).unwrap();
        fs::write(to.path().join("modules/lib/a.js"), "changed").unwrap();
        assert_eq!(fs::read(folder.path().join("set/lib/a.js")).unwrap(), b"0");
    }
}
