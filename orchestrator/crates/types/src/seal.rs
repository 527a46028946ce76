//! What was deployed, to compare with what is about to run.

use std::fmt;

/// One artefact, as it was deployed.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Whether the artefact is as it was deployed. May read all of it.
    ///
    /// # Errors
    /// How it differs, as a sentence without a path.
    fn check(&self) -> Result<(), String>;
}
