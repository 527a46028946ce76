//! Why something was not kept or not found.

use std::path::PathBuf;

/// Keeping or finding failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build's own fault, as a sentence for its author.
    #[error("{0}")]
    Refused(String),
    /// A digest can't be taken.
    #[error(transparent)]
    Digest(#[from] cloudbox_bundles::Error),
    /// The object store can't be used, or has something else.
    #[error(transparent)]
    Storage(#[from] cloudbox_storage::Error),
    /// A file operation of the service failed.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `reading`.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err` on a file operation.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// With its causes, as one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        cloudbox_types::with_causes(self)
    }
}
