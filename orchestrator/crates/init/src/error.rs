//! A step that failed, as the service is told.

use std::io;

/// What the init can't go on without.
#[derive(Debug)]
pub struct Failed {
    /// Such as `pivot_root`.
    pub step: &'static str,
    /// The system's reason.
    pub error: io::Error,
}

/// Names the step of a result.
pub trait Step<T> {
    /// As [`Failed`] with this step.
    fn step(self, step: &'static str) -> Result<T, Failed>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, Failed> {
        self.map_err(|error| Failed { step, error: error.into() })
    }
}
