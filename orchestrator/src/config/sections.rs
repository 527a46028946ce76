//! The sections of the settings file, with their defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use cloudbox_types::limits::Ranges;
use serde::Deserialize;

/// What isolates functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxChoice {
    /// Docker where its socket answers, else native.
    #[default]
    Auto,
    /// Containers of a Docker daemon.
    Docker,
    /// Namespaces and cgroups of this machine.
    Native,
}

/// `[limits]`: what requests, functions and all sandboxes together may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's body.
    pub max_request_bytes: usize,
    /// Bytes of a handler's result.
    pub max_response_bytes: usize,
    /// Bytes of a handler's result that is streamed.
    pub max_stream_bytes: u64,
    /// Bytes that one call may print; a marker follows.
    pub max_log_bytes: usize,
    /// MB of memory of all sandboxes together, builds included; none for the machine's but 2 GB.
    pub total_memory_mb: Option<u64>,
    /// Processes and threads of all sandboxes together.
    pub total_pids: u32,
    /// Seconds that a function may ask for.
    pub timeout: Bounds<u32>,
    /// MB of memory that a function may ask for.
    pub memory: Bounds<u32>,
    /// Cores, decimal, that a function may ask for.
    pub cpu: Bounds<f64>,
    /// MB of `/tmp` that a function may ask for.
    pub tmp_mb: Bounds<u32>,
    /// Processes and threads that a function may ask for.
    pub pids: Bounds<u32>,
}

/// The least and the most that a function may ask for; none for the usual one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds<T> {
    /// The least.
    pub min: Option<T>,
    /// The most.
    pub max: Option<T>,
}

impl<T: Copy> Bounds<T> {
    /// With the usual ones where none are set.
    fn over(self, usual: &RangeInclusive<T>) -> RangeInclusive<T> {
        self.min.unwrap_or(*usual.start())..=self.max.unwrap_or(*usual.end())
    }
}

impl Limits {
    /// What functions may ask for.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        let usual = Ranges::default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be 0.01 to 1024"
        )]
        let millis = |cores: Option<f64>| cores.map(|cores| (cores * 1000.0).round() as u32);
        let cpu = Bounds { min: millis(self.cpu.min), max: millis(self.cpu.max) };
        Ranges {
            timeout_s: self.timeout.over(&usual.timeout_s),
            memory_mb: self.memory.over(&usual.memory_mb),
            cpu_millis: cpu.over(&usual.cpu_millis),
            tmp_mb: self.tmp_mb.over(&usual.tmp_mb),
            pids: self.pids.over(&usual.pids),
            egress: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_request_bytes: 6 << 20,
            max_response_bytes: 6 << 20,
            max_stream_bytes: 1 << 30,
            max_log_bytes: 1 << 20,
            total_memory_mb: None,
            total_pids: 8192,
            timeout: Bounds::default(),
            memory: Bounds::default(),
            cpu: Bounds::default(),
            tmp_mb: Bounds::default(),
            pids: Bounds::default(),
        }
    }
}

/// `[pool]`: the warm sandboxes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pool {
    /// MB that all sandboxes together may use; none for half of the machine's memory.
    pub memory_budget_mb: Option<u64>,
    /// Sandboxes at once, spares included.
    pub max_sandboxes: usize,
    /// Percent of that memory and of those sandboxes that one project may hold while others have functions, too; 100 for all.
    pub project_percent: u32,
    /// Calls of one function that may wait.
    pub queue_len: usize,
    /// Seconds that a call may wait.
    pub queue_wait_s: u64,
    /// Seconds that a sandbox's start and its code's load may take for a call; three times as many when it is deployed.
    pub start_timeout_s: u64,
    /// Seconds after which an idle sandbox is given up.
    pub idle_timeout_s: u64,
    /// Milliseconds without a call after which a sandbox is frozen; thawing it costs the next call some 50 microseconds.
    pub freeze_after_ms: u64,
    /// Generic spares by runtime, such as `nodejs20 = 2`: so many, always. A runtime that isn't named has as many as its
    /// functions' first calls ask for.
    pub spares: BTreeMap<String, usize>,
    /// Generic spares at most of a runtime and a class of memory that `spares` doesn't name; 0 for none.
    pub max_spares: usize,
    /// Sandboxes with code that are held ready at most of a function whose `isolation` is `invocation`, beside those that
    /// have calls: as many as calls that came found none; 0 for none.
    pub max_prepared: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            memory_budget_mb: None,
            max_sandboxes: 256,
            project_percent: 90,
            queue_len: 200,
            queue_wait_s: 30,
            start_timeout_s: 10,
            idle_timeout_s: 300,
            freeze_after_ms: 25,
            spares: BTreeMap::new(),
            max_spares: 4,
            max_prepared: 4,
        }
    }
}

/// `[builds]`: the sandboxes in which deployments are built.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Builds {
    /// Seconds of one build step.
    pub timeout_s: u64,
    /// MB of a build sandbox.
    pub memory_mb: u32,
    /// Cores, decimal.
    pub cpu: f64,
    /// Processes and threads.
    pub pids: u32,
    /// MB that a build may write.
    pub disk_mb: u32,
    /// Builds at once; more wait, and projects take turns.
    pub parallel: usize,
    /// Deployments that may wait; more are refused with 503.
    pub queue_len: usize,
    /// Seconds of a whole deployment, from its turn on.
    pub deployment_timeout_s: u64,
    /// MB of all files of a version, dependencies included.
    pub artefact_mb: u64,
    /// Files of a version.
    pub artefact_files: usize,
    /// KB that one build step may print.
    pub output_kb: usize,
    /// Whether an installation of dependencies may reach the network.
    pub network: bool,
    /// Whether nothing is fetched at all: neither dependencies nor toolchains.
    pub offline: bool,
    /// Whether packages may run scripts of their own when they are installed.
    pub install_scripts: bool,
    /// Hosts that an installation may reach besides those of the package mirrors: `host[:port]`, `*.domain`.
    pub hosts: Vec<String>,
    /// Variables of build steps, such as `NPM_CONFIG_REGISTRY`.
    pub env: BTreeMap<String, String>,
    /// Files of this machine that build steps see: path inside to path here.
    pub files: BTreeMap<String, PathBuf>,
}

impl Default for Builds {
    fn default() -> Self {
        Self {
            timeout_s: 120,
            memory_mb: 1024,
            cpu: 2.0,
            pids: 256,
            disk_mb: 512,
            parallel: 2,
            queue_len: 64,
            deployment_timeout_s: 900,
            artefact_mb: 100,
            artefact_files: 20_000,
            output_kb: 1024,
            network: true,
            offline: false,
            install_scripts: false,
            hosts: Vec::new(),
            env: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// Variables of builds may hold a registry's credentials: their names alone are shown.
impl fmt::Debug for Builds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builds")
            .field("timeout_s", &self.timeout_s)
            .field("memory_mb", &self.memory_mb)
            .field("cpu", &self.cpu)
            .field("pids", &self.pids)
            .field("disk_mb", &self.disk_mb)
            .field("parallel", &self.parallel)
            .field("queue_len", &self.queue_len)
            .field("deployment_timeout_s", &self.deployment_timeout_s)
            .field("artefact_mb", &self.artefact_mb)
            .field("artefact_files", &self.artefact_files)
            .field("output_kb", &self.output_kb)
            .field("network", &self.network)
            .field("offline", &self.offline)
            .field("install_scripts", &self.install_scripts)
            .field("hosts", &self.hosts)
            .field("env", &self.env.keys())
            .field("files", &self.files)
            .finish()
    }
}

/// `[runtimes]`: where the runtimes' files are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runtimes {
    /// Whether a runtime that is not here is an error, instead of the nearest newer one serving in its place.
    pub strict: bool,
    /// The folder of `<language>/runtime.toml` and shims; none for the ones that are built in.
    pub dir: Option<PathBuf>,
    /// Where bundles are made; none for a folder in the data dir.
    pub bundles_dir: Option<PathBuf>,
    /// Images that are the toolchains of runtimes, such as `nodejs22 = "node:22-slim"`: installed at the start.
    pub images: BTreeMap<String, String>,
}

/// `[images]`: images that functions bring.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Those that functions may name, and Dockerfiles start from: names in which `*` stands for any text. Empty: none.
    pub allow: Vec<String>,
    /// Registries that an image is fetched from where the daemon has none of its name, such as `docker.io`. Empty: none.
    pub registries: Vec<String>,
    /// A file with registries' credentials, as `docker login` writes it; none for the service's user's own.
    pub credentials: Option<PathBuf>,
    /// Whether functions may bring a Dockerfile.
    pub dockerfiles: bool,
    /// Dangerous: whether a Dockerfile may have `RUN`, which the daemon's builder runs as root of a container of its own.
    pub run: bool,
    /// MB that an image may have; none for 2048.
    pub max_mb: Option<u64>,
}

/// `[storage]`: the object store that `storage_url` names, and what goes of what is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Seconds that the object store may be silent before it counts as away.
    pub timeout_s: u64,
    /// Seconds between two looks for what nothing refers to any more; 0 for none.
    pub gc_interval_s: u64,
    /// Seconds for which nothing must have referred to what goes.
    pub gc_grace_s: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { timeout_s: 10, gc_interval_s: 3600, gc_grace_s: 86_400 }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`: what the service writes about itself, to stderr.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// A filter of `tracing`, such as `info` or `cloudbox=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// `[http]`: connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Open connections, at most; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// Open connections of one address, at most; more are closed at once.
    pub max_connections_per_address: usize,
    /// Requests at once, counted from when their bodies are here; more are refused with 503.
    pub max_requests: usize,
    /// Bytes of requests' bodies that are held at once; more are refused with 503.
    pub max_body_bytes_held: usize,
    /// Calls of one project at once, those that wait for a sandbox included; more are refused with 429.
    pub max_calls_per_project: usize,
    /// Seconds that a request's head may take.
    pub request_head_timeout_s: u64,
    /// Seconds that a request's body may take.
    pub request_body_timeout_s: u64,
    /// Seconds that a request's body may pause.
    pub request_body_idle_timeout_s: u64,
    /// Seconds that a client may take nothing of its answer.
    pub response_idle_timeout_s: u64,
    /// Seconds that a connection may be open without a request.
    pub idle_timeout_s: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 256,
            max_requests: 4096,
            max_body_bytes_held: 512 << 20,
            max_calls_per_project: 1024,
            request_head_timeout_s: 10,
            request_body_timeout_s: 60,
            request_body_idle_timeout_s: 15,
            response_idle_timeout_s: 30,
            idle_timeout_s: 75,
        }
    }
}

/// `[records]`: what is kept of calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// MB that may wait in the data dir while the database takes no records; more are lost.
    pub spool_mb: u64,
    /// Days that records are kept; 0 for ever.
    pub keep_days: u32,
    /// Records of one function that are kept, the newest; 0 for all.
    pub keep_per_function: u32,
}

impl Default for Records {
    fn default() -> Self {
        Self { spool_mb: 1024, keep_days: 30, keep_per_function: 100_000 }
    }
}
