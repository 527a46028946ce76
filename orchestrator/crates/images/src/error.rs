//! Why an image can't be used.

/// A failure, as a sentence for who named the image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It must not be used, or what names it is wrong.
    #[error("{0}")]
    Refused(String),
    /// The driver knows no images, or failed.
    #[error(transparent)]
    Sandbox(#[from] cloudbox_sandbox::Error),
    /// What is laid over an image can't be made, or the image is none for the runtime.
    #[error(transparent)]
    Bundle(#[from] cloudbox_bundles::Error),
    /// The package that an image is built from can't be had.
    #[error(transparent)]
    Package(#[from] cloudbox_storage::Error),
}

impl Error {
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }
}
