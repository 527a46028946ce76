//! What a build copies from.

use std::path::Path;

use cloudbox_archive::Dockerignore;

use crate::error::Error;

/// Removes from a build's context what its `.dockerignore` names: perhaps the Dockerfile, which has been read. Blocks.
///
/// # Errors
/// It can't be read, or has a line that is no pattern; a file can't be removed.
pub fn leave_out(context: &Path, dockerfile: &Path) -> Result<(), Error> {
    let rules = Dockerignore::read(context, dockerfile).map_err(Error::Refused)?;
    rules.apply(context).map_err(|error| cloudbox_storage::Error::from(error).into())
}
