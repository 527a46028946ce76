//! What builds may use, and where their results go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_types::Limits;

/// The settings of a [`crate::Deployer`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The code store: one folder per artefact, named by its digest.
    pub code_dir: PathBuf,
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
    /// Bytes of a function's source.
    pub max_code_bytes: usize,
    /// Bytes that one build step may print.
    pub max_output_bytes: usize,
    /// Builds at once; more wait.
    pub parallel: usize,
    /// How long the health check may take.
    pub start_timeout: Duration,
    /// Whether the installation of dependencies may reach the network.
    pub has_network: bool,
    /// More environment of an installation, such as a mirror's address.
    pub install_env: BTreeMap<String, String>,
    /// Files of this machine that an installation sees, read only: (here, inside).
    pub install_files: Vec<(PathBuf, PathBuf)>,
}

impl Settings {
    /// The defaults, with these two folders.
    #[must_use]
    pub fn new(code_dir: PathBuf, builds_dir: PathBuf) -> Self {
        Self {
            code_dir,
            builds_dir,
            limits: Limits { timeout_s: 120, memory_mb: 1024, cpu_millis: 2000, tmp_mb: 512, pids: 256 },
            max_file_bytes: 256 << 20,
            max_artefact_bytes: 100 << 20,
            max_artefact_files: 20_000,
            max_code_bytes: 1 << 20,
            max_output_bytes: 1 << 20,
            parallel: 2,
            start_timeout: Duration::from_secs(30),
            has_network: true,
            install_env: BTreeMap::new(),
            install_files: Vec::new(),
        }
    }

    /// What an exchange with a build sandbox may bring.
    pub(crate) fn channel(&self) -> ChannelLimits {
        ChannelLimits { logs: self.max_output_bytes, ..ChannelLimits::default() }
    }
}
