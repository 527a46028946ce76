//! Names of functions and slugs of projects: `[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?`, not all digits.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes: the longest label of a host name is 63, and a name may become one.
pub const MAX_LEN: usize = 64;

/// A function's name or a project's slug, valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing, or more than [`MAX_LEN`] bytes.
    #[error("must have 1 to {MAX_LEN} characters")]
    Length,
    /// A character outside `a-z`, `0-9` and `-`, or a `-` at an end.
    #[error("may hold lower-case letters, digits and inner hyphens only")]
    Characters,
    /// All digits: it could not be told from an id.
    #[error("must not be all digits, since it could not be told from an id")]
    AllDigits,
}

impl Name {
    /// Checks `text`.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
        let text = text.into();
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_LEN {
            return Err(InvalidName::Length);
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends_plain = plain(bytes[0]) && plain(bytes[bytes.len() - 1]);
        if !ends_plain || !bytes.iter().all(|&byte| plain(byte) || byte == b'-') {
            return Err(InvalidName::Characters);
        }
        if bytes.iter().all(u8::is_ascii_digit) {
            return Err(InvalidName::AllDigits);
        }
        Ok(Self(text.into_boxed_str()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for good in ["a", "a1", "process-payment", "0x", &"a".repeat(64)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        assert_eq!(Name::new(""), Err(InvalidName::Length));
        assert_eq!(Name::new("a".repeat(65)), Err(InvalidName::Length));
        for bad in ["-a", "a-", "A", "a_b", "a.b", "../x", "ä", "a b", "a\n"] {
            assert_eq!(Name::new(bad), Err(InvalidName::Characters), "{bad:?}");
        }
        assert_eq!(Name::new("123"), Err(InvalidName::AllDigits));
    }
}
