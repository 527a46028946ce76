//! Why something was not kept or not found.

use std::path::{Path, PathBuf};

/// Keeping or finding failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package's fault, as a sentence for who made it.
    #[error(transparent)]
    Refused(#[from] cloudbox_archive::Refused),
    /// As many uploads as there may be are under way.
    #[error("too many packages are being uploaded")]
    Busy,
    /// There is nothing of this SHA-256.
    #[error("nothing is kept under the SHA-256 {digest}")]
    Missing {
        /// In hex.
        digest: String,
    },
    /// What is there is something else.
    #[error("INTEGRITY: what is kept under the SHA-256 {digest} has another one, so it is not used")]
    Damaged {
        /// In hex.
        digest: String,
    },
    /// The object store can't be reached, refuses or is too slow; the log says which. It may be back soon.
    #[error("the object store can't be used now; try again soon")]
    Unavailable,
    /// The object store doesn't say which uploads were not completed.
    #[error(
        "the object store does not list uploads that were broken off (its answer was {status}), so they stay: allow \
         s3:ListBucketMultipartUploads, or have a rule of the bucket's lifecycle end them"
    )]
    Unlisted {
        /// The status of its answer.
        status: u16,
    },
    /// The settings name no object store that could be.
    #[error("storage_url {url:?} can't be used: {why}")]
    Place {
        /// As it was set.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file operation of this machine failed.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `writing`.
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
    pub(crate) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { what, path, source }
    }
}

impl From<cloudbox_archive::Error> for Error {
    fn from(error: cloudbox_archive::Error) -> Self {
        match error {
            cloudbox_archive::Error::Refused(refused) => Self::Refused(refused),
            cloudbox_archive::Error::Io { what, path, source } => Self::Io { what, path, source },
        }
    }
}
