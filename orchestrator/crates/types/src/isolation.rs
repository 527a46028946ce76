//! The two choices of a function that decide how its code is called: handler style and isolation.

use serde::{Deserialize, Serialize};

/// Which of the handler forms the code has; `auto` lets the shim find out when it loads the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerStyle {
    /// Found out from the code.
    #[default]
    Auto,
    /// `handler(data, context)`, the native form, with or without a callback.
    Data,
}

/// What a call may share with earlier calls of the same version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A warm sandbox serves many calls of its version.
    #[default]
    Version,
    /// A process of its own for each call, inside a warm sandbox of its version.
    Process,
    /// A sandbox of its own for each call.
    Invocation,
}

impl HandlerStyle {
    /// The word of the API, the database and the shim's `load` frame.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Data => "data",
        }
    }
}

impl Isolation {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Process => "process",
            Self::Invocation => "invocation",
        }
    }
}
