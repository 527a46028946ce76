//! Packages: source that comes as an archive.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A package that a function has as its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// SHA-256 of the uploaded bytes, in hex.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// Bytes that were uploaded.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
    /// `tgz` or `zip`.
    #[schema(example = "tgz")]
    pub format: String,
}

/// A version that was made of an uploaded package, and is the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadedVersion {
    /// What the other version routes take: the version's number.
    pub id: i64,
    /// Which function.
    pub function_id: i64,
    /// Counted from 1.
    #[schema(example = 2)]
    pub version: i64,
    /// Whether calls get it.
    pub is_active: bool,
    /// The runtime that serves it.
    #[schema(example = "nodejs20")]
    pub runtime: String,
    /// SHA-256 of the uploaded bytes, in hex.
    pub package_hash: String,
    /// Bytes that were uploaded.
    pub package_size: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
