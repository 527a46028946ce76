//! What builds may use, and where their results go.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloudbox_check::Reader;
use cloudbox_egress::Broker;
use cloudbox_mirrors::Mirrors;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_storage::Remote;
use cloudbox_types::Limits;

/// The settings of a [`crate::Deployer`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this node is called, in all its lives.
    pub node: String,
    /// The code store: one folder per artefact, named by its digest.
    pub code_dir: PathBuf,
    /// Sources that came as archives: one file for each, named by its SHA-256.
    pub packages_dir: PathBuf,
    /// Packages that may be received at once.
    pub parallel_uploads: usize,
    /// The object store that all nodes share; none where this one is alone.
    pub remote: Option<Arc<Remote>>,
    /// Installed dependencies: one folder per set of them.
    pub dependencies_dir: PathBuf,
    /// Where builds have their folders while they run.
    pub builds_dir: PathBuf,
    /// Of one build sandbox; `timeout_s` is for one step.
    pub limits: Limits,
    /// Bytes of the largest file that a build may write.
    pub max_file_bytes: u64,
    /// Bytes of all files of an artefact.
    pub max_artefact_bytes: u64,
    /// Files of an artefact.
    pub max_artefact_files: usize,
    /// Bytes that a build may have in its folder at once.
    pub max_workspace_bytes: u64,
    /// Bytes of dependencies that a compiler reads, and that are no part of an artefact.
    pub max_modules_bytes: u64,
    /// Files of them.
    pub max_modules_files: usize,
    /// Bytes of a function's source.
    pub max_code_bytes: usize,
    /// Bytes that one build step may print.
    pub max_output_bytes: usize,
    /// Builds at once; more wait.
    pub parallel: usize,
    /// Builds that may wait; more are refused.
    pub queue_len: usize,
    /// How long a deployment may take in all, from its turn on.
    pub patience: Duration,
    /// How long the health check may take.
    pub start_timeout: Duration,
    /// Whether the installation of dependencies may reach the network.
    pub has_network: bool,
    /// Whether packages may run scripts of their own when they are installed.
    pub may_run_scripts: bool,
    /// How an installation reaches the registries.
    pub mirrors: Mirrors,
    /// Hosts that an installation may reach besides: `host[:port]`, `*.domain`.
    pub hosts: Vec<String>,
    /// The way out of the sandbox in which a version's code is loaded for the first time.
    pub broker: Option<Arc<Broker>>,
    /// Compiles TypeScript, in a process of its own.
    pub reader: Arc<Reader>,
    /// Which images functions may bring.
    pub images: cloudbox_images::Policy,
}

impl Settings {
    /// The defaults, with the folders `code`, `packages`, `dependencies` and `builds` in this one.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            node: "one".to_owned(),
            code_dir: folder.join("code"),
            packages_dir: folder.join("packages"),
            parallel_uploads: 8,
            remote: None,
            dependencies_dir: folder.join("dependencies"),
            builds_dir: folder.join("builds"),
            limits: Limits { timeout_s: 120, memory_mb: 1024, cpu_millis: 2000, tmp_mb: 512, pids: 256 },
            max_file_bytes: 256 << 20,
            max_artefact_bytes: 100 << 20,
            max_artefact_files: 20_000,
            max_workspace_bytes: 2 << 30,
            max_modules_bytes: 1 << 30,
            max_modules_files: 200_000,
            max_code_bytes: 1 << 20,
            max_output_bytes: 1 << 20,
            parallel: 2,
            queue_len: 64,
            patience: Duration::from_secs(900),
            start_timeout: Duration::from_secs(30),
            has_network: true,
            may_run_scripts: false,
            mirrors: Mirrors::default(),
            hosts: Vec::new(),
            broker: None,
            // Itself, also where its file was replaced meanwhile.
            reader: Arc::new(Reader::new("/proc/self/exe".into(), vec!["read-source".to_owned()])),
            images: cloudbox_images::Policy::default(),
        }
    }

    /// What an exchange with a build sandbox may bring.
    pub(crate) fn channel(&self) -> ChannelLimits {
        ChannelLimits { logs: self.max_output_bytes, ..ChannelLimits::default() }
    }
}
