//! Values that must not appear in logs: `Debug` prints a mask, and there is no `Display`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an API answer shows in place of a secret, and what a PATCH sends to keep one.
pub const MASK: &str = "********";

/// A value that is written out only where [`Secret::expose`] is called.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for the `load` frame, encryption and comparisons.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
