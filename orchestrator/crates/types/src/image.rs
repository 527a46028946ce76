//! Images that functions run in, in place of a runtime of the catalogue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The runtime of functions that run in an image of their own.
pub const CUSTOM: &str = "custom";

/// Where a function's image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// An image that there is, by its name: `my-org/my-runtime:latest`.
    Named(String),
    /// One that is built from the function's package.
    Built {
        /// The Dockerfile's path in the package.
        dockerfile: String,
        /// The folder of the package that it may copy from.
        context: String,
    },
}

/// An image as a version has it: nothing of it changes any more, whatever becomes of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name when it was deployed; what it was built from where it had none.
    pub name: String,
    /// Its id: `sha256:` and 64 hex digits.
    pub id: String,
    /// Its entry point and command: what is started where the language has no shim of ours.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its working directory; empty for `/`.
    #[serde(default)]
    pub workdir: String,
    /// How it was built; none for one that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<ImageBuild>,
}

/// How an image was built from a package, so that it can be built again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBuild {
    /// The Dockerfile's path in the package.
    pub dockerfile: String,
    /// The folder of the package that it copied from.
    pub context: String,
    /// The ids of the images that it started from, by their names.
    pub bases: BTreeMap<String, String>,
}
