//! Functions.

use std::collections::BTreeMap;

use cloudbox_types::ImageSource;
use cloudbox_types::secret::MASK;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a create and a PATCH take, but for the name: one list, so that the two can't drift apart.
macro_rules! function_bodies {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)*) => {
        /// A function to be made.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewFunction {
            /// Unique in its project; not all digits.
            #[schema(example = "process-payment", pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
            pub name: String,
            $($(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        /// What to change of a function; what is left out stays. A change of `code`, `runtime`, `language`,
        /// `entry_point`, `handler_style`, `dependencies`, `image` or `build` needs a new deploy before calls see it.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct FunctionPatch {
            /// Unique in its project; not all digits.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schema(example = "process-payment", pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
            pub name: Option<String>,
            $($(#[$meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}

function_bodies! {
    /// Shown to people; up to 2000 characters.
    #[schema(max_length = 2000)]
    description: String,
    /// `nodejs18`, `python3.9`, `go1.19`, …; where it is left out, the default that `/api/runtimes` marks.
    #[schema(example = "nodejs18")]
    runtime: String,
    /// `javascript`, `typescript`, `python`, `go`, or `custom` for a program of an image; where it is left out, the runtime's.
    #[schema(example = "javascript")]
    language: String,
    /// The source, one file of up to 1 MiB.
    #[schema(example = "exports.handler = async (data) => ({ hello: data.name });")]
    code: String,
    /// For the runtime `custom`: the image that it runs in, by its name. One of `image` and `build`.
    #[schema(example = "my-org/my-runtime:latest")]
    image: String,
    /// For the runtime `custom`: how its image is built from the function's package.
    build: ImageBuild,
    /// `handler`, `index.handler`, `main`; default: the language's.
    #[schema(example = "index.handler")]
    entry_point: String,
    /// Seconds that one call may take; default 30.
    #[schema(minimum = 1, maximum = 300)]
    timeout: u32,
    /// MB of the whole sandbox; default 128.
    #[schema(minimum = 64, maximum = 1024)]
    memory: u32,
    /// Environment variables: stored encrypted, read back masked. A PATCH replaces all of them; a value that is the
    /// mask keeps what is stored.
    environment: BTreeMap<String, String>,
    /// Packages by name, with the version wanted.
    dependencies: BTreeMap<String, String>,
    /// Whether the public route needs no credential; default false.
    is_public: bool,
    /// Whether it may be called; default true. A function that is off answers `DISABLED`.
    is_active: bool,
    /// The handler's form: `auto` (default) finds out.
    #[schema(example = "auto")]
    handler_style: String,
    /// What calls share: `version` (default), a warm sandbox serves many calls of its version; `process`, each call has a
    /// process of its own there; `invocation`, each call has a sandbox of its own.
    #[schema(example = "version")]
    isolation: String,
    /// Hosts that calls may reach: `host[:port]`, `*.domain`. Default: none.
    egress: Vec<String>,
    /// Whether public callers see messages, stacks and logs of failed calls; default false.
    expose_errors: bool,
    /// Sandboxes kept warm; default 0.
    #[schema(maximum = 100)]
    min_instances: u32,
    /// Sandboxes at most; default 10.
    #[schema(minimum = 1, maximum = 1000)]
    max_instances: u32,
    /// Calls at once in one sandbox; default 1.
    #[schema(minimum = 1, maximum = 100)]
    concurrency: u32,
    /// Cores, decimal; default 1.
    #[schema(minimum = 0.05, maximum = 8)]
    cpu: f64,
    /// MB of `/tmp`; default 64.
    #[schema(minimum = 1, maximum = 512)]
    tmp_mb: u32,
    /// Processes and threads; default 64.
    #[schema(minimum = 16, maximum = 1024)]
    pids: u32,
    /// For browsers: `{origins, methods, headers, expose_headers, credentials, max_age}`; default: no CORS headers.
    #[schema(value_type = Object)]
    cors: serde_json::Value,
}

/// How an image is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageBuild {
    /// The Dockerfile's path in the package.
    #[serde(default = "dockerfile")]
    #[schema(example = "./Dockerfile")]
    pub dockerfile: String,
    /// The folder of the package that it may copy from.
    #[serde(default = "context")]
    #[schema(example = "./")]
    pub context: String,
}

fn dockerfile() -> String {
    "./Dockerfile".to_owned()
}

fn context() -> String {
    "./".to_owned()
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Function {
    /// Counted from 1, over all projects.
    #[schema(example = 123)]
    pub id: i64,
    /// Whose it is.
    #[schema(example = 1)]
    pub project_id: i64,
    /// Unique in its project.
    #[schema(example = "process-payment")]
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// The runtime asked for.
    #[schema(example = "nodejs18")]
    pub runtime: String,
    /// The runtime that serves the active version; null before the first deploy.
    pub resolved_runtime: Option<String>,
    /// `javascript`, `typescript`, `python`, `go` or `custom`.
    pub language: String,
    /// The source; null for a function that has none yet, or has a package.
    pub code: Option<String>,
    /// The source as an archive: its SHA-256 in hex; null for a function that has none.
    pub package: Option<String>,
    /// The image that it runs in; null for one that is built, and for other runtimes than `custom`.
    pub image: Option<String>,
    /// How its image is built; null for one that has a name, and for other runtimes than `custom`.
    pub build: Option<ImageBuild>,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// The handler's form.
    pub handler_style: String,
    /// Seconds of one call.
    pub timeout: u32,
    /// MB of the whole sandbox.
    pub memory: u32,
    /// Cores, decimal.
    pub cpu: f64,
    /// MB of `/tmp`.
    pub tmp_mb: u32,
    /// Processes and threads.
    pub pids: u32,
    /// The names of the environment variables, each with the mask as its value.
    pub environment: BTreeMap<String, String>,
    /// Packages by name, with the version wanted.
    pub dependencies: BTreeMap<String, String>,
    /// Whether the public route needs no credential.
    pub is_public: bool,
    /// Whether it may be called.
    pub is_active: bool,
    /// What calls share.
    pub isolation: String,
    /// Hosts that calls may reach.
    pub egress: Vec<String>,
    /// Whether public callers see the inside of failures.
    pub expose_errors: bool,
    /// Sandboxes kept warm.
    pub min_instances: u32,
    /// Sandboxes at most.
    pub max_instances: u32,
    /// Calls at once in one sandbox.
    pub concurrency: u32,
    /// For browsers; null for no CORS headers.
    #[schema(value_type = Option<Object>)]
    pub cors: Option<serde_json::Value>,
    /// `draft`, `building`, `deployed` or `failed`.
    #[schema(example = "deployed")]
    pub status: String,
    /// The version that calls get; null before the first deploy.
    pub active_version: Option<i64>,
    /// What the last deployment printed.
    pub build_logs: String,
    /// Calls so far.
    pub invocation_count: i64,
    /// Where it is called: a path, or a whole URL where the service knows its own.
    #[schema(example = "/p/1/functions/process-payment")]
    pub url: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Function {
    /// A function as its users see it: secrets masked, `public_url` (without a slash at its end) before its path.
    #[must_use]
    pub fn new(function: cloudbox_types::Function, public_url: &str) -> Self {
        let settings = function.settings;
        let limits = settings.limits;
        let (image, build) = match settings.image {
            Some(ImageSource::Named(name)) => (Some(name), None),
            Some(ImageSource::Built { dockerfile, context }) => {
                (None, Some(ImageBuild { dockerfile, context }))
            }
            None => (None, None),
        };
        Self {
            id: function.id.0,
            project_id: function.project_id.0,
            url: format!("{public_url}/p/{}/functions/{}", function.project_id, settings.name),
            name: settings.name.into(),
            description: settings.description,
            runtime: settings.runtime,
            resolved_runtime: function.resolved_runtime,
            language: settings.language.to_string(),
            code: settings.code,
            package: settings.package,
            image,
            build,
            entry_point: settings.entry_point,
            handler_style: settings.handler_style.as_str().to_owned(),
            timeout: limits.timeout_s,
            memory: limits.memory_mb,
            cpu: f64::from(limits.cpu_millis) / 1000.0,
            tmp_mb: limits.tmp_mb,
            pids: limits.pids,
            environment: settings.environment.into_keys().map(|name| (name, MASK.to_owned())).collect(),
            dependencies: settings.dependencies,
            is_public: settings.is_public,
            is_active: settings.is_active,
            isolation: settings.isolation.as_str().to_owned(),
            egress: settings.egress,
            expose_errors: settings.expose_errors,
            min_instances: settings.min_instances,
            max_instances: settings.max_instances,
            concurrency: settings.concurrency,
            cors: settings.cors,
            status: function.status.to_string(),
            active_version: function.active_version,
            build_logs: function.build_logs,
            invocation_count: function.invocation_count,
            created_at: function.created_at,
            updated_at: function.updated_at,
        }
    }
}
