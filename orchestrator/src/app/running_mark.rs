//! A file in the data dir that is there while the service runs: where a start finds it, the last life had no clean end.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The file. It stays where the service is killed.
#[derive(Debug)]
pub struct RunningMark {
    path: PathBuf,
    /// Whether an earlier life left it.
    pub was_there: bool,
}

impl RunningMark {
    /// Marks the data dir.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn set(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("running");
        let was_there = path.exists();
        std::fs::write(&path, "").with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, was_there })
    }

    /// The end is clean.
    pub fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "the next start will think that this end was not clean");
        }
    }
}
