//! What nothing refers to any more.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectGarbage {
    /// Whether nothing is to go: the answer says what would.
    #[serde(default)]
    pub dry_run: bool,
    /// Seconds for which nothing must have referred to what goes; `storage.gc_grace_s` where it is left out.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 31536000)]
    pub grace_s: Option<u64>,
}

/// What was found and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Garbage {
    /// Whether nothing was to go.
    pub dry_run: bool,
    /// Items that are gone.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Items that a run which is not dry would remove.
    pub removable: u64,
    /// Their bytes.
    pub removable_bytes: u64,
    /// Items whose grace isn't over.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Items that could not be removed.
    pub failed: u64,
    /// The first 1,000 items, by kind and name.
    pub items: Vec<GarbageItem>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// One thing that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GarbageItem {
    /// `artefact`, `package`, `dependencies`, `image`, `bundle` or `upload`, one to the object store that was broken off.
    #[schema(example = "artefact")]
    pub kind: String,
    /// Its SHA-256, or the image's or bundle's name.
    pub name: String,
    /// `node`: on this node; `object_store`: where all nodes find it.
    #[schema(example = "node")]
    pub place: String,
    /// Bytes that are free when it is gone; 0 for an upload to S3, which doesn't tell.
    pub bytes: u64,
    /// `removed`, `removable` (in a dry run), `waiting`, `needed` (after all) or `failed`.
    #[schema(example = "removed")]
    pub state: String,
    /// Seconds that it waits still.
    #[serde(default)]
    pub waits_s: Option<u64>,
    /// Why it could not be removed.
    #[serde(default)]
    pub error: Option<String>,
}
