//! Whether a SQLite database's files are those that were opened. SQLite itself goes on with a file that was removed
//! or replaced, and all that it takes from then on is lost at the end.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::outage::Outage;

/// The files, as they were when the database was opened.
#[derive(Debug)]
pub struct Presence {
    files: Vec<(PathBuf, (u64, u64))>,
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Presence {
    /// Of an open database: its file and its log, which is there as long as a connection.
    ///
    /// # Errors
    /// One of them isn't there.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), log.into()].into_iter();
        let files = files.map(|path| Ok((path.clone(), identity(&std::fs::metadata(&path)?))));
        Ok(Self { files: files.collect::<std::io::Result<_>>()? })
    }

    /// Looks again.
    pub(crate) fn check(&self) -> Result<(), sqlx::Error> {
        let is_there = |(path, opened): &(PathBuf, (u64, u64))| {
            std::fs::metadata(path).is_ok_and(|found| identity(&found) == *opened)
        };
        if self.files.iter().all(is_there) { Ok(()) } else { Err(Outage::Moved.error()) }
    }
}
