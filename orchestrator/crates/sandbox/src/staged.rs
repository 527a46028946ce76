//! A code folder's read-only mount, from which slots get their clones.

use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

/// A code folder's staging mount, and how many slots have a clone of it.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) path: PathBuf,
    pub(crate) users: usize,
}

impl Staged {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
        let _ = std::fs::remove_dir(&self.path);
    }
}
