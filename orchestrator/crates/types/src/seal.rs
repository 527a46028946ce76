//! What was deployed, to compare with what is about to run.

use std::fmt;

/// Why an artefact can't be run. Both are sentences without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// It is not what was deployed: how it differs.
    Damaged(String),
    /// It is not on this machine, and can't be fetched now.
    Absent(String),
}

/// One artefact, as it was deployed.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Whether the artefact is here, and as it was deployed. May fetch it and read all of it: to be called where nobody
    /// else waits for the thread.
    ///
    /// # Errors
    /// Why it can't be run.
    fn check(&self) -> Result<(), Unsealed>;
}
