//! Runs one step of a build in a sandbox that is made for it and removed with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloudbox_sandbox::{
    Exit, Gate, Network, Program, RootFs, SandboxDriver, SandboxFault, SandboxFaultKind, SandboxSpec,
    Workspace,
};
use cloudbox_types::{Attempt, AttemptOutcome, Attempts};
use tokio::time::Instant;

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::progress::Listener;
use crate::settings::Settings;

/// Refused hosts that are told of.
const MOST_TOLD: usize = 10;

/// One step.
#[derive(Debug)]
pub struct Step<'a> {
    /// What it is called in sentences: `the syntax check`, `the compiler`.
    pub name: &'static str,
    /// Its root.
    pub rootfs: &'a RootFs,
    /// What runs.
    pub program: Program,
    /// What it works on.
    pub folder: &'a BuildFolder,
    /// What it reaches: nothing but what this opens.
    pub gate: Option<Arc<Gate>>,
    /// Files and folders of this machine that it sees: (here, inside).
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Hears what it prints, and ends it where it is told to.
    pub listener: Listener,
}

/// What a step printed, and how it ended: the sentence where it failed.
#[derive(Debug)]
pub struct Done {
    /// Both streams.
    pub output: String,
    /// Whether it did its work.
    pub outcome: Result<(), String>,
    /// Whether it ended by itself, with an exit code other than 0.
    pub has_failed: bool,
    /// Lines of what it wanted to reach and could not.
    pub advice: Vec<String>,
}

impl Done {
    fn new(output: String, outcome: Result<(), String>, has_failed: bool) -> Self {
        Self { output, outcome, has_failed, advice: Vec::new() }
    }
}

/// Hosts that a step asked for and was not let through to, each once.
fn refused(attempts: &Attempts) -> Vec<String> {
    let is_refused =
        |it: &&Attempt| matches!(it.outcome, AttemptOutcome::Refused | AttemptOutcome::RefusedAddress);
    let hosts: BTreeSet<&str> = attempts
        .listed
        .iter()
        .filter(is_refused)
        .map(|attempt| attempt.host.as_str())
        .take(MOST_TOLD)
        .collect();
    let line = |host| {
        format!(
            "{host} was refused: it is none of the package mirrors; the operator can allow it with builds.hosts"
        )
    };
    hosts.into_iter().map(line).collect()
}

/// Between two looks at how much there is in a folder.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Ends when there are more bytes in a folder than these: what a build writes is on the machine's disk.
async fn overfull(folder: &Path, most: u64) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let folder = folder.to_owned();
        let bytes = tokio::task::spawn_blocking(move || bytes_in(&folder)).await;
        if bytes.is_ok_and(|bytes| bytes > most) {
            return;
        }
    }
}

/// As much as is allocated; what vanishes meanwhile is nothing.
fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { bytes_in(&entry.path()) } else { found.blocks() * 512 })
    });
    bytes.sum()
}

impl Step<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// The host's side failed; what the step itself does wrong is in [`Done`].
    pub async fn run(self, driver: &dyn SandboxDriver, settings: &Settings) -> Result<Done, StageError> {
        let spec = SandboxSpec {
            rootfs: self.rootfs.clone(),
            limits: settings.limits,
            workspace: Workspace::Writable(self.folder.workspace().to_owned()),
            mounts: self.mounts,
            network: Network::None,
            max_file_bytes: settings.max_file_bytes,
            channel: settings.channel(),
        };
        let mut sandbox = driver.create(&spec).await?;
        let deadline = Instant::now() + settings.limits.timeout();
        if let Some(gate) = &self.gate
            && let Err(error) = sandbox.open_egress(gate, deadline).await
        {
            sandbox.kill().await;
            return Err(error.into());
        }
        let mut listener = self.listener.with_room(settings.max_output_bytes);
        let halt = listener.halt.clone();
        let mut heard = |bytes: &[u8]| listener.hear(bytes);
        let ended = tokio::select! {
            biased;
            ended = sandbox.run_heard(&self.program, deadline, &mut heard) => Ok(ended),
            why = halt.ordered() => Err(why),
            () = overfull(self.folder.workspace(), settings.max_workspace_bytes) => {
                Err(format!("{} wrote more than {} MB", self.name, settings.max_workspace_bytes >> 20))
            }
        };
        let advice = refused(&sandbox.take_attempts());
        // Whatever happened: nothing of it may write on when its folder is read.
        sandbox.kill().await;
        listener.end();
        let done = match ended {
            Err(why) => Done::new(String::new(), Err(why), false),
            Ok(Ok(exit)) => of_exit(self.name, settings, exit),
            Ok(Err(SandboxFault { kind: SandboxFaultKind::Host(error), .. })) => return Err(error.into()),
            Ok(Err(fault)) => {
                let why = of_fault(self.name, settings.limits.timeout(), settings.limits.memory_mb, &fault);
                Done::new(fault.logs.into_text(), Err(why), false)
            }
        };
        Ok(Done { advice, ..done })
    }
}

fn of_exit(name: &str, settings: &Settings, exit: Exit) -> Done {
    let output = exit.logs.into_text();
    let outcome = if exit.is_out_of_memory {
        Err(out_of_memory(name, settings.limits.memory_mb))
    } else if exit.code == Some(0) {
        Ok(())
    } else {
        let said = output.lines().find(|line| !line.trim().is_empty());
        Err(match (said, exit.code, exit.signal) {
            (Some(line), Some(_), _) => format!("{name} failed: {}", line.trim()),
            (None, Some(code), _) => format!("{name} failed with exit code {code}"),
            (_, None, Some(signal)) => format!("{name} was ended by signal {signal}"),
            (_, None, None) => format!("{name} ended without an exit code"),
        })
    };
    let has_failed = !exit.is_out_of_memory && exit.code.is_some_and(|code| code != 0);
    Done::new(output, outcome, has_failed)
}

fn of_fault(name: &str, timeout: Duration, memory_mb: u32, fault: &SandboxFault) -> String {
    match &fault.kind {
        SandboxFaultKind::Deadline => format!("{name} took longer than {} s", timeout.as_secs()),
        SandboxFaultKind::OutOfMemory => out_of_memory(name, memory_mb),
        other => format!("{name} failed: {other}"),
    }
}

fn out_of_memory(name: &str, memory_mb: u32) -> String {
    format!("{name} needs more than the {memory_mb} MB that a build may use")
}
