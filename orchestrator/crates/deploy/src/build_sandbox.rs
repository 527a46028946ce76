//! Runs one step of a build in a sandbox that is made for it and removed with it.

use std::path::PathBuf;
use std::time::Duration;

use cloudbox_sandbox::{
    Exit, Network, Program, RootFs, SandboxDriver, SandboxFault, SandboxFaultKind, SandboxSpec, Workspace,
};
use tokio::time::Instant;

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::settings::Settings;

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
    /// What it reaches.
    pub network: Network,
    /// Files of this machine that it sees: (here, inside).
    pub mounts: Vec<(PathBuf, PathBuf)>,
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
            network: self.network,
            max_file_bytes: settings.max_file_bytes,
            channel: settings.channel(),
        };
        let mut sandbox = driver.create(&spec).await?;
        let deadline = Instant::now() + settings.limits.timeout();
        let ended = sandbox.run(&self.program, deadline).await;
        // Whatever happened: nothing of it may write on when its folder is read.
        sandbox.kill().await;
        match ended {
            Ok(exit) => Ok(of_exit(self.name, settings, exit)),
            Err(SandboxFault { kind: SandboxFaultKind::Host(error), .. }) => Err(error.into()),
            Err(fault) => {
                let why = of_fault(self.name, settings.limits.timeout(), settings.limits.memory_mb, &fault);
                Ok(Done { output: fault.logs.into_text(), outcome: Err(why), has_failed: false })
            }
        }
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
    Done { output, outcome, has_failed }
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
