//! Ids: integers for what users name in URLs, UUIDs (version 7, so they sort by time) for invocations.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A map by ids. Nobody outside chooses those, so its hash need not be proof against chosen keys, and is a quick one.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

integer_id!(
    /// A project, counted from 1; project 1 is the default one.
    ProjectId
);
integer_id!(
    /// A function, counted from 1 over all projects.
    FunctionId
);
integer_id!(
    /// One run of the deploy pipeline, counted from 1 over all functions.
    DeploymentId
);

/// One call of a function. Made by the service, sortable by the time it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationId(pub uuid::Uuid);

impl InvocationId {
    /// A new id, from the wall clock and random bits.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InvocationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl FunctionId {
    /// Where the ids of code begin that is stored nowhere: far above those of any database, and still exact as JavaScript's
    /// numbers.
    pub const FIRST_INLINE: Self = Self(1 << 52);
}
