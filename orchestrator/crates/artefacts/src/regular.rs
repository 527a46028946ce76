//! Files that a stranger may have left: opened where they are regular, and never otherwise.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::Error;

/// Opens a file that a stranger may have left: never through a link, never waiting for the other end of a FIFO.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub fn open_regular(path: &Path) -> Result<fs::File, Error> {
    let mut options = fs::OpenOptions::new();
    let file =
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(Error::io("opening", path))?;
    let metadata = file.metadata().map_err(Error::io("reading", path))?;
    if metadata.is_file() { Ok(file) } else { Err(not_regular(path)) }
}

/// What is said of what is neither a file nor a folder.
#[must_use]
pub fn not_regular(path: &Path) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Error::Refused(format!("the build left {name:?}, which is neither a regular file nor a folder"))
}
