//! Names of versions: aliases, splits between two versions, and what is done to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Name;

/// The alias that every function has: what calls get that name no version.
pub const ACTIVE: &str = "active";

/// A name for a version, or for two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The version that it names.
    pub version: i64,
    /// Another version, which gets a part of the calls.
    pub split: Option<Split>,
    /// The last split, where it was ended by itself.
    pub rolled_back: Option<RolledBack>,
    /// Who set it.
    pub author: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last set, or rolled back.
    pub updated_at: Timestamp,
}

/// A second version that gets a part of an alias' calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Which.
    pub version: i64,
    /// Percent of the calls, 0 to 100; hundredths count.
    pub weight: f64,
    /// What keeps a caller at one of the two.
    pub sticky: Sticky,
    /// Ends the split by itself; none where only people end it.
    pub canary: Option<Canary>,
}

/// What keeps a caller at one of two versions. Calls without it are spread evenly, each by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sticky {
    /// Nothing.
    None,
    /// `X-Cloudbox-Version-Key`.
    #[default]
    Key,
    /// A header, its name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// The address that a call comes from.
    Address,
}

/// When a split ends by itself: its version failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The part of its calls that may fail, 0 to 1.
    pub max_error_rate: f64,
    /// Calls within the window before it is judged.
    pub min_calls: u32,
    /// How long a call counts, in seconds.
    pub window_s: u32,
}

/// A split that was ended by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The version that failed.
    pub version: i64,
    /// Its part of the calls, in percent.
    pub weight: f64,
    /// Its calls within the window.
    pub calls: u64,
    /// Of which failed.
    pub errors: u64,
    /// Why, as a sentence.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A change of which versions calls get.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch {
    /// Makes a version the active one.
    Activate(i64),
    /// Makes the version active again that was before the active one.
    RollBack,
    /// Sets an alias, new or not. Set as [`ACTIVE`], the version becomes the active one.
    Set {
        /// Which.
        alias: Name,
        /// What it names.
        version: i64,
        /// What gets a part of its calls.
        split: Option<Split>,
    },
    /// Deletes an alias.
    Unset(Name),
    /// Deletes a version that nothing names.
    Delete(i64),
    /// Ends a split that failed; nothing where another one is set by now.
    EndSplit {
        /// Of which alias.
        alias: Name,
        /// The split that failed.
        split: Split,
        /// What is noted.
        note: RolledBack,
    },
}

/// Why a version became the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// It was deployed.
    Deploy,
    /// Somebody activated it.
    Activate,
    /// Somebody rolled back to it.
    Rollback,
}

impl Cause {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Activate => "activate",
            Self::Rollback => "rollback",
        }
    }
}

/// A version that became the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Counted from 1 over all functions.
    pub id: i64,
    /// Which version.
    pub version: i64,
    /// Why.
    pub cause: Cause,
    /// By whom.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}
