//! Projects and functions as they are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Alias, FunctionId, HandlerStyle, ImageSource, Isolation, Language, Limits, Name, ProjectId, Secret,
};

/// A tenant: functions of two projects never share a sandbox, a name or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Counted from 1.
    pub id: ProjectId,
    /// Shown to people.
    pub name: String,
    /// Used in URLs, unique.
    pub slug: Name,
    /// Shown to people.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a function is between its creation and a version that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionStatus {
    /// Never deployed, or changed in code before its first deploy.
    Draft,
    /// A deployment is running.
    Building,
    /// The last deployment succeeded.
    Deployed,
    /// The last deployment failed; an earlier version may still be active.
    Failed,
}

impl FunctionStatus {
    /// The word of the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Building => "building",
            Self::Deployed => "deployed",
            Self::Failed => "failed",
        }
    }
}

/// A word of the database that this release doesn't know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not known here")]
pub struct UnknownWord(pub String);

impl FromStr for FunctionStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Draft, Self::Building, Self::Deployed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

impl fmt::Display for FunctionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a user decides about a function: everything but what the service itself keeps count of.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSettings {
    /// Unique in its project.
    pub name: Name,
    /// Shown to people.
    pub description: String,
    /// The runtime asked for, such as `nodejs18`; which one serves is decided by a deploy.
    pub runtime: String,
    /// The language of `code`.
    pub language: Language,
    /// The source, one file; none for a function that comes as a package.
    pub code: Option<String>,
    /// The source, an archive: its SHA-256 in hex; none for a function that comes as `code`.
    pub package: Option<String>,
    /// The image that it runs in, where its runtime is [`CUSTOM`](crate::image::CUSTOM).
    pub image: Option<ImageSource>,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// The form of the handler.
    pub handler_style: HandlerStyle,
    /// What calls share.
    pub isolation: Isolation,
    /// What a sandbox may use.
    pub limits: Limits,
    /// Environment variables, secret by default.
    pub environment: BTreeMap<String, Secret<String>>,
    /// Packages by name, with the version wanted.
    pub dependencies: BTreeMap<String, String>,
    /// Whether `/p/…` needs no credential.
    pub is_public: bool,
    /// Switched on; a function that is off answers `DISABLED`.
    pub is_active: bool,
    /// Whether public callers see messages, stacks and logs.
    pub expose_errors: bool,
    /// Hosts that calls may reach: `host[:port]`, `*.domain`.
    pub egress: Vec<String>,
    /// Origins, methods and headers for browsers, as JSON; none for no CORS headers.
    pub cors: Option<serde_json::Value>,
    /// Sandboxes kept warm.
    pub min_instances: u32,
    /// Sandboxes at most.
    pub max_instances: u32,
    /// Calls at once in one sandbox.
    pub concurrency: u32,
}

/// How many sandboxes a function may have: the one of its settings that a sandbox doesn't depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Sandboxes kept warm.
    pub min_instances: u32,
    /// Sandboxes at most.
    pub max_instances: u32,
}

impl FunctionSettings {
    /// How many sandboxes it may have.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        Scale { min_instances: self.min_instances, max_instances: self.max_instances }
    }

    /// Whether sandboxes that were made under `before` may go on serving: nothing but their number differs.
    #[must_use]
    pub fn keeps_sandboxes_of(&self, before: &Self) -> bool {
        let Scale { min_instances, max_instances } = self.scale();
        Self { min_instances, max_instances, ..before.clone() } == *self
    }

    /// What a function is before its user decides anything but these.
    #[must_use]
    pub fn new(name: Name, runtime: String, language: Language) -> Self {
        Self {
            name,
            description: String::new(),
            runtime,
            language,
            code: None,
            package: None,
            image: None,
            entry_point: match language {
                Language::Javascript | Language::Typescript => "index.handler",
                Language::Python | Language::Custom => "handler",
                Language::Go => "main",
            }
            .to_owned(),
            handler_style: HandlerStyle::default(),
            isolation: Isolation::default(),
            limits: Limits::default(),
            environment: BTreeMap::new(),
            dependencies: BTreeMap::new(),
            is_public: false,
            is_active: true,
            expose_errors: false,
            egress: Vec::new(),
            cors: None,
            min_instances: 0,
            max_instances: 10,
            concurrency: 1,
        }
    }
}

impl Function {
    /// The variables that its code gets: its own, and those of the project that it has none of its own for.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let all = self.shared.iter().chain(&self.settings.environment);
        all.map(|(name, value)| (name.clone(), value.expose().clone())).collect()
    }
}

/// A function as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Counted from 1.
    pub id: FunctionId,
    /// Whose it is.
    pub project_id: ProjectId,
    /// What its user decided.
    pub settings: FunctionSettings,
    /// The secrets of its project, which its own environment wins over.
    pub shared: BTreeMap<String, Secret<String>>,
    /// Counts changes of the settings but for its [`Scale`]: a sandbox made under another count serves no more calls.
    pub revision: i64,
    /// Where it is on the way to a version that runs.
    pub status: FunctionStatus,
    /// The version that calls get; none before the first deploy.
    pub active_version: Option<i64>,
    /// Other names of versions; `active` is there while calls that name none are split.
    pub aliases: BTreeMap<Name, Alias>,
    /// Counts every change of what calls get: settings, the active version, aliases.
    pub generation: i64,
    /// The runtime that serves the active version.
    pub resolved_runtime: Option<String>,
    /// What the last deployment printed.
    pub build_logs: String,
    /// Calls so far.
    pub invocation_count: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
