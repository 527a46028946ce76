//! Projects.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A project to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Shown to people; 1 to 200 characters.
    #[schema(example = "My shop", min_length = 1, max_length = 200)]
    pub name: String,
    /// Used in URLs, unique; made from the name where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "my-shop", pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    pub slug: Option<String>,
    /// Shown to people; up to 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
}

/// What to change of a project; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// Shown to people; 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Used in URLs, unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    pub slug: Option<String>,
    /// Shown to people; up to 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Counted from 1.
    #[schema(example = 1)]
    pub id: i64,
    /// Shown to people.
    pub name: String,
    /// Used in URLs.
    pub slug: String,
    /// Shown to people.
    pub description: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<cloudbox_types::Project> for Project {
    fn from(project: cloudbox_types::Project) -> Self {
        Self {
            id: project.id.0,
            name: project.name,
            slug: project.slug.into(),
            description: project.description,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}
