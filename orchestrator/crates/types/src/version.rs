//! Versions and the deployments that make them.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::function::UnknownWord;
use crate::{DeploymentId, FunctionId, Image, Language};

/// One deployed state of a function's code. Never changed after it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whose it is.
    pub function_id: FunctionId,
    /// Counted from 1 per function.
    pub number: i64,
    /// The runtime that serves it, such as `nodejs20`.
    pub runtime: String,
    /// The language of its source.
    pub language: Language,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// The handler's form, as the health check found it.
    pub handler_style: String,
    /// SHA-256 of the built artefact, in hex: the name of its folder in the code store.
    pub digest: String,
    /// The file that the shim loads, relative to the artefact, such as `index.js`.
    pub main: String,
    /// SHA-256 of the archive that it was built from, in hex; none where its source was `code`.
    pub package: Option<String>,
    /// The image that it runs in; none where its runtime is one of the catalogue's.
    pub image: Option<Image>,
    /// Packages that it was built with: name and version wanted.
    pub dependencies: BTreeMap<String, String>,
    /// Who deployed it.
    pub author: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The stages of a deployment, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Syntax, entry point, runtime.
    Validate,
    /// Dependencies.
    Install,
    /// Compilation and the artefact.
    Build,
    /// The artefact in the code store, the version's row.
    Register,
    /// The code loaded in a sandbox.
    HealthCheck,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] =
        [Self::Validate, Self::Install, Self::Build, Self::Register, Self::HealthCheck];

    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Install => "install",
            Self::Build => "build",
            Self::Register => "register",
            Self::HealthCheck => "health_check",
        }
    }
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// Not begun.
    Pending,
    /// Running.
    Running,
    /// Done.
    Succeeded,
    /// Ended the deployment.
    Failed,
    /// Not reached, since an earlier stage failed.
    Skipped,
}

/// One stage of one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Which.
    pub name: Stage,
    /// How far.
    pub status: StageStatus,
    /// Milliseconds; none before it ended.
    pub duration_ms: Option<u64>,
}

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStatus {
    /// Running.
    Building,
    /// Its version is active.
    Deployed,
    /// It ended without a version.
    Failed,
}

impl DeploymentStatus {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Deployed => "deployed",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for DeploymentStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Building, Self::Deployed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// One run of the deploy pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Counted from 1.
    pub id: DeploymentId,
    /// Of which function.
    pub function_id: FunctionId,
    /// The number that its version has, or would have had.
    pub version: i64,
    /// Who began it.
    pub author: String,
    /// Whether its version becomes the active one.
    pub activates: bool,
    /// How it stands.
    pub status: DeploymentStatus,
    /// The stage that runs, or that ended it; `health_check` where it succeeded.
    pub stage: Stage,
    /// All five, in order.
    pub stages: Vec<StageReport>,
    /// What the stages printed so far.
    pub build_logs: String,
    /// The sentence that a failed one is answered with.
    pub error: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}
