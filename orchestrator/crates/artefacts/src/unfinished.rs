//! What an earlier life was about to write.

use std::path::Path;

use crate::error::Error;

/// Removes the folders in `folder` whose names begin with `prefix`, with all that is in them.
///
/// # Errors
/// The folder can't be read, or one of them can't be removed.
pub fn remove_all(folder: &Path, prefix: &str) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let path = entry.map_err(Error::io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) {
            std::fs::remove_dir_all(&path).map_err(Error::io("removing", path.as_path()))?;
        }
    }
    Ok(())
}
