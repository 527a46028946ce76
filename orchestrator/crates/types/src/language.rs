//! The languages that handlers are written in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The language of a function's source. JavaScript and TypeScript share the Node runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// `javascript`
    Javascript,
    /// `typescript`
    Typescript,
    /// `python`
    Python,
    /// `go`
    Go,
    /// `custom`: a program of an image, which speaks the protocol by itself.
    Custom,
}

impl Language {
    /// Every language that we have a shim for, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Javascript, Self::Typescript, Self::Python, Self::Go];

    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Javascript => "javascript",
            Self::Typescript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of javascript, typescript, python, go, custom")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter().chain([Self::Custom]);
        all.find(|language| language.as_str() == text).ok_or(UnknownLanguage)
    }
}
