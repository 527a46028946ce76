//! Runtimes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A runtime that functions may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Runtime {
    /// What a function's `runtime` says.
    #[schema(example = "nodejs20")]
    pub name: String,
    /// The languages that it runs.
    pub languages: Vec<String>,
    /// The toolchain's version, as far as it is known.
    #[schema(example = "20.19.2")]
    pub version: String,
    /// `ready`: serves now; `installable`: can be fetched; `installing`; `failed`: the last installation did; `absent`: can't
    /// be had here.
    #[schema(example = "ready")]
    pub state: String,
    /// What an installation is at, or why there is no runtime and what to do about it.
    #[serde(default)]
    pub detail: Option<String>,
    /// Whether it was installed by the service, and can be removed.
    #[serde(default)]
    pub is_installed: bool,
    /// The image that it was installed from; null where it wasn't.
    #[serde(default)]
    pub image: Option<String>,
    /// The runtime that serves functions that ask for this one; null where none does.
    pub resolved: Option<String>,
    /// The date on which its makers stop to mend it, `YYYY-MM-DD`.
    pub end_of_life: Option<String>,
    /// Whether a function that names only the language gets it.
    pub is_default: bool,
}

/// All runtimes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeList {
    /// By language, then by version, upwards.
    pub items: Vec<Runtime>,
    /// Always null: the list has one part.
    pub next_cursor: Option<String>,
}

/// What to install a runtime from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRuntime {
    /// An image that has its toolchain, Docker driver alone; left out for the ordinary registry of toolchains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "node:22-slim")]
    pub image: Option<String>,
}
