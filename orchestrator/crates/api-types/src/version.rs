//! Versions and aliases.

use std::collections::BTreeMap;

use cloudbox_types::{Activation as ActivationRow, Alias as AliasRow, Function, Sticky, Version as Row};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One deployed state of a function's code. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Counted from 1 per function; a failed deployment uses its number up.
    #[schema(example = 3)]
    pub version: i64,
    /// Whether calls get it that name no version.
    pub is_active: bool,
    /// Its aliases, those that split calls between it and another one too.
    pub aliases: Vec<String>,
    /// Who deployed it.
    #[schema(example = "admin")]
    pub author: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The runtime that serves it.
    #[schema(example = "nodejs20")]
    pub runtime: String,
    /// The language of its source.
    #[schema(example = "javascript")]
    pub language: String,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// The handler's form.
    pub handler_style: String,
    /// Packages that it was built with.
    pub dependencies: BTreeMap<String, String>,
    /// SHA-256 of what was built, in hex.
    pub digest: String,
    /// The image that it runs in, by its name when it was deployed and its id; null where its runtime is no image of its own.
    pub image: Option<String>,
}

impl Version {
    /// A version of this function.
    #[must_use]
    pub fn new(row: Row, function: &Function) -> Self {
        let names = |alias: &AliasRow| {
            alias.version == row.number
                || alias.split.as_ref().is_some_and(|split| split.version == row.number)
        };
        let aliases = function.aliases.iter().filter(|(_, alias)| names(alias));
        Self {
            version: row.number,
            is_active: function.active_version == Some(row.number),
            aliases: aliases.map(|(name, _)| name.to_string()).collect(),
            author: row.author,
            created_at: row.created_at,
            runtime: row.runtime,
            language: row.language.to_string(),
            entry_point: row.entry_point,
            handler_style: row.handler_style,
            dependencies: row.dependencies,
            digest: row.digest,
            image: row.image.map(|image| format!("{} ({})", image.name, image.id)),
        }
    }
}

/// A version with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionRead {
    /// The version.
    #[serde(flatten)]
    pub version: Version,
    /// The source; null for a package.
    pub code: Option<String>,
}

/// Answer of an activation or a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The version that calls get from now on.
    pub active_version: i64,
    /// The one that they got before; null where there was none.
    pub previous_version: Option<i64>,
}

/// A version that became the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activation {
    /// Which.
    pub version: i64,
    /// `deploy`, `activate` or `rollback`.
    #[schema(example = "deploy")]
    pub cause: String,
    /// By whom.
    #[schema(example = "admin")]
    pub author: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<ActivationRow> for Activation {
    fn from(row: ActivationRow) -> Self {
        let cause = row.cause.as_str().to_owned();
        Self { version: row.version, cause, author: row.author, created_at: row.created_at }
    }
}

/// How two versions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionDiff {
    /// The one.
    pub from: i64,
    /// The other.
    pub to: i64,
    /// Fields that differ: `runtime`, `language`, `entry_point`, `handler_style`.
    pub settings: Vec<FieldDiff>,
    /// Packages that differ, by their names.
    pub dependencies: Vec<FieldDiff>,
    /// The sources as a unified diff, empty where they are the same; null where one of them is a package.
    pub source: Option<String>,
    /// Files of what was built that differ, with their SHA-256; null where both have a source.
    pub files: Option<Vec<FieldDiff>>,
}

/// Something that differs: a field, a package, a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldDiff {
    /// Its name.
    #[schema(example = "runtime")]
    pub name: String,
    /// In the one version; null where it isn't there.
    pub from: Option<String>,
    /// In the other one.
    pub to: Option<String>,
}

/// What an alias is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAlias {
    /// The version that it names.
    #[schema(example = 3, minimum = 1)]
    pub version: i64,
    /// Another version that gets a part of its calls; left out, none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// A second version that gets a part of an alias' calls. With `max_error_rate` it is a canary: where its calls fail more
/// often, the split ends by itself, and all calls get the alias' own version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Which.
    #[schema(example = 4, minimum = 1)]
    pub version: i64,
    /// Percent of the calls.
    #[schema(example = 10.0, minimum = 0, maximum = 100)]
    pub weight: f64,
    /// What keeps a caller at one of the two: `key` (default), the header `X-Cloudbox-Version-Key`; `header:NAME`;
    /// `cookie:NAME`; `address`, that of the connection; `none`. Calls without it are spread evenly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "cookie:session")]
    pub sticky: Option<String>,
    /// The part of its calls that may fail, 0 to 1; left out, the split stays until somebody ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.05, minimum = 0, maximum = 1)]
    pub max_error_rate: Option<f64>,
    /// Its calls within the window before it is judged; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub min_calls: Option<u32>,
    /// Seconds that a call counts; default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub window_s: Option<u32>,
}

/// A name for a version, or for two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alias {
    /// Unique in its function; `active` is what calls get that name no version.
    #[schema(example = "prod")]
    pub alias: String,
    /// The version that it names.
    #[schema(example = 3)]
    pub version: i64,
    /// What gets a part of its calls.
    pub split: Option<Split>,
    /// Why the last split ended by itself; null where it didn't, and after the alias is set again.
    pub rolled_back: Option<RolledBack>,
    /// Where it is called.
    #[schema(example = "/p/default/functions/hello:prod")]
    pub url: String,
    /// Who set it; null for the alias `active` where nobody did.
    pub author: Option<String>,
    /// When it was last set, or rolled back; null as `author`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
}

/// A split that ended by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RolledBack {
    /// The version that failed.
    pub version: i64,
    /// Its percent of the calls.
    pub weight: f64,
    /// Its calls within the window.
    pub calls: u64,
    /// Of which failed.
    pub errors: u64,
    /// Why, as a sentence.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// The text of what keeps a caller at a version.
#[must_use]
pub fn sticky_text(sticky: &Sticky) -> String {
    match sticky {
        Sticky::None => "none".to_owned(),
        Sticky::Key => "key".to_owned(),
        Sticky::Header(name) => format!("header:{name}"),
        Sticky::Cookie(name) => format!("cookie:{name}"),
        Sticky::Address => "address".to_owned(),
    }
}

impl From<cloudbox_types::Split> for Split {
    fn from(split: cloudbox_types::Split) -> Self {
        let canary = split.canary;
        Self {
            version: split.version,
            weight: split.weight,
            sticky: Some(sticky_text(&split.sticky)),
            max_error_rate: canary.map(|canary| canary.max_error_rate),
            min_calls: canary.map(|canary| canary.min_calls),
            window_s: canary.map(|canary| canary.window_s),
        }
    }
}

impl Alias {
    /// An alias, called at this URL.
    #[must_use]
    pub fn new(alias: String, row: AliasRow, url: String) -> Self {
        let rolled_back = row.rolled_back.map(|note| RolledBack {
            version: note.version,
            weight: note.weight,
            calls: note.calls,
            errors: note.errors,
            reason: note.reason,
            at: note.at,
        });
        Self {
            alias,
            version: row.version,
            split: row.split.map(Split::from),
            rolled_back,
            url,
            author: Some(row.author),
            updated_at: Some(row.updated_at),
        }
    }

    /// The alias `active` of a function whose calls are not split.
    #[must_use]
    pub const fn active(alias: String, version: i64, url: String) -> Self {
        Self { alias, version, split: None, rolled_back: None, url, author: None, updated_at: None }
    }
}

/// A version, as the dashboard lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedVersion {
    /// What `switch-version` and a delete take: the version's number.
    #[schema(example = 3)]
    pub id: i64,
    /// Of which function.
    pub function_id: i64,
    /// The version's number.
    #[schema(example = 3)]
    pub version: i64,
    /// Whether calls get it that name no version.
    pub is_active: bool,
    /// When it was deployed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// By whom.
    #[schema(example = "admin")]
    pub created_by: String,
    /// The runtime that serves it.
    #[schema(example = "nodejs20")]
    pub runtime: String,
    /// SHA-256 of the package, in hex; null where its source came as text.
    pub package_hash: Option<String>,
    /// Its aliases.
    pub aliases: Vec<String>,
}

impl ListedVersion {
    /// A version of this function.
    #[must_use]
    pub fn new(row: Row, function: &Function) -> Self {
        let package_hash = row.package.clone();
        let version = Version::new(row, function);
        Self {
            id: version.version,
            function_id: function.id.0,
            version: version.version,
            is_active: version.is_active,
            created_at: version.created_at,
            created_by: version.author,
            runtime: version.runtime,
            package_hash,
            aliases: version.aliases,
        }
    }
}

/// Answer of `switch-version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// True.
    pub success: bool,
    /// The number of the version that calls get from now on.
    pub active_version: i64,
    /// That version.
    pub version: ListedVersion,
}
