//! Secrets that all functions of a project get.

use cloudbox_types::secret::MASK;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of a put.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewSecret {
    /// What functions get; never shown again.
    pub value: String,
}

/// A secret of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectSecret {
    /// The variable that functions have it in.
    #[schema(example = "DATABASE_URL")]
    pub name: String,
    /// The mask.
    #[schema(example = "********")]
    pub value: String,
    /// When it was first set.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl ProjectSecret {
    /// As it is shown.
    #[must_use]
    pub fn new(name: String, created_at: Timestamp, updated_at: Timestamp) -> Self {
        Self { name, value: MASK.to_owned(), created_at, updated_at }
    }
}

/// What a change of the key came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretRotation {
    /// The id of the key that encrypts now: the first 8 hex digits of its SHA-256.
    #[schema(example = "66687aad")]
    pub key_id: String,
    /// Functions and secrets of projects that were encrypted anew.
    pub rotated: u64,
    /// Those that no key decrypts, and that stay as they are.
    pub unreadable: u64,
}
