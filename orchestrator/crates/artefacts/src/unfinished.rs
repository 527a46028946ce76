//! Folders by name: those that are kept, those that an earlier life was about to write, and those that go.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;

use crate::error::Error;

/// Removes the folders in `folder` whose names begin with `prefix`, with all that is in them.
///
/// # Errors
/// The folder can't be read, or one of them can't be removed.
pub fn remove_all(folder: &Path, prefix: &str) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let path = entry.map_err(Error::io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) {
            fs::remove_dir_all(&path).map_err(Error::io("removing", path.as_path()))?;
        }
    }
    Ok(())
}

/// The folders in `folder` whose names say that they are kept.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("reading", folder))?;
    let names = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}

/// Takes a name out of `folder`, with all that it stands for; nothing where there is no such name.
pub(crate) fn aside(folder: &Path, name: &str, prefix: &str) -> Result<TempDir, Error> {
    let aside = tempfile::Builder::new().prefix(prefix).tempdir_in(folder);
    let aside = aside.map_err(Error::io("making a folder in", folder))?;
    let path = folder.join(name);
    match fs::rename(&path, aside.path().join("gone")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("moving away", path)(error)),
        _ => Ok(aside),
    }
}

/// Bytes of the files below a folder that have no other name.
pub(crate) fn unshared_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(match found.is_dir() {
            true => unshared_bytes(&entry.path()),
            false if found.nlink() == 1 => found.len(),
            false => 0,
        })
    });
    bytes.sum()
}
