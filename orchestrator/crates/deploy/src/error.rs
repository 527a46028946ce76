//! Why a deployment ended without a version.

use std::path::PathBuf;

/// The deployment could not be begun, or not be told of: nothing is known of its stages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error("the deployment can't be kept")]
    Store(#[from] cloudbox_store::Error),
    /// The packages can't be used.
    #[error(transparent)]
    Storage(#[from] cloudbox_storage::Error),
    /// The folders of artefacts can't be used.
    #[error(transparent)]
    Artefacts(#[from] cloudbox_artefacts::Error),
    /// Too many deployments wait already.
    #[error(transparent)]
    Full(#[from] crate::queue::Full),
    /// A folder of the service can't be used.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `making`.
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
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The function's own fault, as a sentence for its author.
    #[error("{0}")]
    Refused(String),
    /// No such runtime here, or its bundle can't be made.
    #[error(transparent)]
    Runtime(#[from] cloudbox_bundles::Error),
    /// The host's side of a sandbox failed.
    #[error(transparent)]
    Sandbox(cloudbox_sandbox::Error),
    /// The process that compiles TypeScript can't be used.
    #[error(transparent)]
    Compiler(#[from] cloudbox_check::ReadError),
    /// The function's package can't be had.
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

impl From<cloudbox_sandbox::Error> for StageError {
    fn from(error: cloudbox_sandbox::Error) -> Self {
        use cloudbox_sandbox::Error as Of;
        match error {
            // Of what the author named.
            Of::Image { .. } | Of::NoImages { .. } => Self::Refused(error.to_string()),
            other => Self::Sandbox(other),
        }
    }
}

impl From<cloudbox_images::Error> for StageError {
    fn from(error: cloudbox_images::Error) -> Self {
        match error {
            cloudbox_images::Error::Refused(sentence) => Self::Refused(sentence),
            cloudbox_images::Error::Sandbox(error) => error.into(),
            cloudbox_images::Error::Bundle(error) => Self::Runtime(error),
            cloudbox_images::Error::Package(error) => Self::Storage(error),
        }
    }
}

impl StageError {
    /// For `map_err` on a file operation.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// The sentence that the deployment is answered with, causes included.
    #[must_use]
    pub fn sentence(&self) -> String {
        cloudbox_types::with_causes(self)
    }
}

impl From<cloudbox_artefacts::Error> for StageError {
    fn from(error: cloudbox_artefacts::Error) -> Self {
        use cloudbox_artefacts::Error;
        match error {
            Error::Refused(sentence) => Self::Refused(sentence),
            Error::Digest(error) => Self::Runtime(error),
            Error::Storage(error) => Self::Storage(error),
            Error::Io { what, path, source } => Self::Io { what, path, source },
        }
    }
}
