//! From nothing to a sandbox with a version's code loaded: the cold start, and a deployment's health check.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_egress::Gate;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::{Failure, Load, Loaded, Logs};
use cloudbox_types::{Limits, Seal};
use tokio::time::Instant;

use crate::driver::{Sandbox, SandboxDriver, SandboxFault, SandboxFaultKind};
use crate::spec::{CodeDir, Network, Program, RootFs, SandboxSpec, Workspace};

/// How long a forked process may take to end after its answer.
const SETTLED_WITHIN: Duration = Duration::from_millis(100);

/// What is done with a sandbox after an answered call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterCall {
    /// The same process takes the next call.
    #[default]
    Keep,
    /// The call ran in a process that the runtime forked; the next one is taken when that has ended.
    Settle,
    /// Its processes are ended and the runtime is started and loaded again.
    Restart,
    /// It is ended.
    End,
}

/// All that it takes to bring a version up.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its root.
    pub rootfs: RootFs,
    /// The runtime with its shim, or the compiled function.
    pub program: Program,
    /// Whether `program` starts before the code is there (an interpreter), or is part of the code (a binary).
    pub starts_before_code: bool,
    /// What the runtime prints when it ends itself at a memory limit of its own, below the sandbox's.
    pub out_of_memory_mark: Option<String>,
    /// What a sandbox may use.
    pub limits: Limits,
    /// Bytes of the largest file it may write.
    pub max_file_bytes: u64,
    /// The version's artefact.
    pub code: CodeDir,
    /// Tells whether the artefact is still what was deployed; none where nobody keeps watch.
    pub seal: Option<Arc<dyn Seal>>,
    /// What the shim is told.
    pub load: Load,
    /// How much an exchange may bring.
    pub channel: ChannelLimits,
    /// What its calls may share.
    pub after_call: AfterCall,
    /// The way out; none where it reaches nothing.
    pub egress: Option<Arc<Gate>>,
}

/// Why a version did not come up.
#[derive(Debug)]
pub enum LaunchError {
    /// The sandbox or the runtime failed.
    Fault(SandboxFault),
    /// The artefact is not what was deployed: nothing of it was run. How it differs.
    Damaged(String),
    /// The artefact is not on this machine and can't be fetched now. Why.
    Absent(String),
    /// The code's own fault: its top level threw, or it has no such entry point.
    Code {
        /// What the shim said.
        failure: Box<Failure>,
        /// What the code printed.
        logs: Logs,
    },
}

impl From<SandboxFault> for LaunchError {
    fn from(fault: SandboxFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<crate::Error> for LaunchError {
    fn from(error: crate::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl Launch {
    /// The sandbox that this version needs, or that a spare for such versions is.
    #[must_use]
    pub fn spec(&self) -> SandboxSpec {
        SandboxSpec {
            rootfs: self.rootfs.clone(),
            limits: self.limits,
            workspace: Workspace::Slot,
            mounts: Vec::<(PathBuf, PathBuf)>::new(),
            network: Network::None,
            max_file_bytes: self.max_file_bytes,
            channel: self.channel,
        }
    }

    /// A runtime that ended at its own memory limit ran out of memory, too. A function that prints the mark and ends
    /// spoils its own record at most.
    #[must_use]
    pub fn explain(&self, mut fault: SandboxFault) -> SandboxFault {
        let has_mark =
            || self.out_of_memory_mark.as_ref().is_some_and(|mark| fault.logs.contains(mark.as_bytes()));
        if matches!(fault.kind, SandboxFaultKind::Exited { .. }) && has_mark() {
            fault.kind = SandboxFaultKind::OutOfMemory;
        }
        fault
    }

    /// Makes a sandbox, starts the runtime and loads the code.
    ///
    /// # Errors
    /// What failed; nothing of the sandbox is left then.
    pub async fn cold(
        &self,
        driver: &dyn SandboxDriver,
        deadline: Instant,
    ) -> Result<(Box<dyn Sandbox>, Loaded, Logs), LaunchError> {
        let mut sandbox = driver.create(&self.spec()).await?;
        let outcome = async {
            if self.starts_before_code {
                sandbox.start(&self.program, deadline).await?;
            }
            self.load_into(sandbox.as_mut(), deadline).await
        }
        .await;
        match outcome {
            Ok((loaded, logs)) => Ok((sandbox, loaded, logs)),
            Err(error) => {
                sandbox.kill().await;
                Err(error)
            }
        }
    }

    /// Gives the code to a sandbox that has none: a fresh one, or a spare whose runtime is up.
    ///
    /// # Errors
    /// What failed; the sandbox is to be killed then.
    pub async fn load_into(
        &self,
        sandbox: &mut dyn Sandbox,
        deadline: Instant,
    ) -> Result<(Loaded, Logs), LaunchError> {
        sandbox.bind(&self.limits, &self.code).await?;
        if let Some(gate) = &self.egress {
            sandbox.open_egress(gate, deadline).await?;
        }
        if !self.starts_before_code {
            sandbox.start(&self.program, deadline).await?;
        }
        let mut loaded = self.load(sandbox, deadline).await;
        // Where there will be no call to list it, the author finds in the logs what was refused.
        if let Err(LaunchError::Code { logs, .. }) = &mut loaded {
            for line in sandbox.take_attempts().advice() {
                logs.push(format!("{line}\n").as_bytes());
            }
        }
        loaded
    }

    /// Makes a sandbox that has answered a call ready for the next one, as `after_call` says; none of its logs are of
    /// interest where there was nothing to load.
    ///
    /// # Errors
    /// What failed; the sandbox is to be killed then.
    pub async fn renew(&self, sandbox: &mut dyn Sandbox, deadline: Instant) -> Result<Logs, LaunchError> {
        if self.after_call != AfterCall::Restart {
            let patience = SETTLED_WITHIN.min(deadline.saturating_duration_since(Instant::now()));
            let is_settled = sandbox.settle(patience).await && sandbox.is_clean();
            return if is_settled { Ok(Logs::new(0)) } else { Err(crate::Error::Gone.into()) };
        }
        sandbox.restart(deadline).await?;
        sandbox.start(&self.program, deadline).await?;
        self.load(sandbox, deadline).await.map(|(_, logs)| logs)
    }

    async fn load(
        &self,
        sandbox: &mut dyn Sandbox,
        deadline: Instant,
    ) -> Result<(Loaded, Logs), LaunchError> {
        let reply = sandbox.load(self.load.clone(), deadline).await.map_err(|fault| self.explain(fault))?;
        match reply.answer {
            Ok(loaded) => Ok((loaded, reply.logs)),
            Err(failure) => Err(LaunchError::Code { failure: Box::new(failure), logs: reply.logs }),
        }
    }
}
