//! The two interfaces between the pool and the isolation.
//!
//! Contract, held by `tests/driver_contract.rs` for every driver:
//! - `create` returns a sandbox whose init is up, in which nothing of a user has run;
//! - `bind` and `start` happen once each, in this order or, for a generic spare, `start` first; after a `restart`,
//!   `start` happens again;
//! - after any [`SandboxFault`] the sandbox serves no further exchange; only `kill` is left;
//! - `kill` ends every process, and removes the container or namespaces, the cgroup, the mounts and the folder; it
//!   can be called twice, and a sandbox that is dropped without it is killed in the background.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_protocol::channel::Fault;
use cloudbox_protocol::{Answer, Failure, Load, Loaded, Logs, Reply, Request};
use cloudbox_types::{Attempts, Limits};
use tokio::time::Instant;

pub use cloudbox_cgroup::Stats;
use cloudbox_egress::Gate;
pub use cloudbox_layers::{Layer, LayerState};

use crate::error::Error;
use crate::images::ImageHost;
use crate::spec::{CodeDir, Program, RootFs, SandboxId, SandboxSpec};

/// Makes sandboxes of one kind.
#[async_trait]
pub trait SandboxDriver: Send + Sync + 'static {
    /// `docker`, `native` or `fake`.
    fn name(&self) -> &'static str;

    /// What isolates here, layer by layer, as found out when the driver was opened.
    fn layers(&self) -> Vec<Layer>;

    /// Whether [`Sandbox::bind`] can give `/tmp` another size than `create` did.
    fn can_resize_tmp(&self) -> bool {
        true
    }

    /// What it can do with images; none where it knows none.
    fn image_host(&self) -> Option<Arc<dyn ImageHost>> {
        None
    }

    /// What keeps it from making sandboxes just now, as a sentence for operators.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Makes a root file system ready for use (Docker: imports it as an image). Again for the same one: no work.
    ///
    /// # Errors
    /// The driver's reason.
    async fn prepare(&self, rootfs: &RootFs) -> Result<(), Error>;

    /// What this instance had made ready and is kept (Docker: its images); nothing where root file systems are used as they
    /// are.
    ///
    /// # Errors
    /// The driver's reason.
    async fn images(&self) -> Result<Vec<Image>, Error> {
        Ok(Vec::new())
    }

    /// Removes one of them; false where a sandbox, of whomever, uses it. Who prepares or uses it later makes it anew.
    ///
    /// # Errors
    /// The driver's reason.
    async fn remove_image(&self, _image: &Image) -> Result<bool, Error> {
        Ok(false)
    }

    /// Makes a sandbox; on an error nothing of it is left, nor where the future is dropped, once the driver is closed.
    ///
    /// # Errors
    /// The step that failed.
    async fn create(&self, spec: &SandboxSpec) -> Result<Box<dyn Sandbox>, Error>;

    /// Removes what earlier lives of this instance left behind, and nothing else.
    ///
    /// # Errors
    /// What could not be listed; what could not be removed is counted and logged.
    async fn sweep(&self) -> Result<SweepReport, Error>;
}

/// A root file system as a driver keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name there.
    pub name: String,
    /// The digest of the root that it was made from.
    pub digest: String,
    /// Bytes of it that no other image shares, as far as the driver knows.
    pub bytes: u64,
}

/// Who is told of a program's output while it runs.
pub type Heard<'h> = &'h mut (dyn FnMut(&[u8]) + Send);

/// One sandbox. Its methods take `&mut self`: one exchange at a time.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Its name.
    fn id(&self) -> &SandboxId;

    /// Gives it a version's limits and code. Once.
    ///
    /// # Errors
    /// The limit or mount that failed; the sandbox is of no use then.
    async fn bind(&mut self, limits: &Limits, code: &CodeDir) -> Result<(), Error>;

    /// Opens a way out, before any code that may use it is there. Once, and not where there is none.
    ///
    /// # Errors
    /// The sandbox is of no use then.
    async fn open_egress(&mut self, gate: &Arc<Gate>, deadline: Instant) -> Result<(), Error>;

    /// What it tried to reach outside since the last time it was asked for; nothing without a way out.
    fn take_attempts(&mut self) -> Attempts {
        Attempts::default()
    }

    /// Has the process wait, confined, that will become the program: what [`Sandbox::start`] has to do then is less. Once, where it
    /// isn't known yet which program that is.
    ///
    /// # Errors
    /// The sandbox is of no use then.
    async fn arm(&mut self, _deadline: Instant) -> Result<(), Error> {
        Ok(())
    }

    /// Starts the runtime and waits for its hello. Once.
    ///
    /// # Errors
    /// It did not come up before `deadline`.
    async fn start(&mut self, program: &Program, deadline: Instant) -> Result<(), SandboxFault>;

    /// Has the bound code loaded.
    ///
    /// # Errors
    /// The sandbox is of no further use.
    async fn load(
        &mut self,
        load: Load,
        deadline: Instant,
    ) -> Result<Reply<Result<Loaded, Failure>>, SandboxFault>;

    /// Has the handler called, and what it asks of the host carried out meanwhile.
    ///
    /// # Errors
    /// The sandbox is of no further use.
    async fn exchange(&mut self, request: Request, deadline: Instant) -> Result<Reply<Answer>, SandboxFault>;

    /// Where its code, once loaded, may answer several calls at once: what they have of it. Then [`Sandbox::exchange`] is for
    /// none of them, and [`Sandbox::settle`] for when no call is under way.
    fn shared(&self) -> Option<Shared> {
        None
    }

    /// After an answered exchange: whether the call left nothing running. What is just ending may take `patience`.
    /// After a no the sandbox is not clean any more.
    async fn settle(&mut self, patience: Duration) -> bool;

    /// Ends every process but the init, so that `start` and `load` may follow again. Code and `/tmp` stay.
    ///
    /// # Errors
    /// The sandbox is of no further use.
    async fn restart(&mut self, deadline: Instant) -> Result<(), SandboxFault>;

    /// Runs a program to its end, without a shim: its output, both streams, is in the exit's logs.
    ///
    /// # Errors
    /// The deadline passed, or the sandbox ended before the program did.
    async fn run(&mut self, program: &Program, deadline: Instant) -> Result<Exit, SandboxFault>;

    /// As [`Sandbox::run`], and `heard` is told of what the program prints while it runs, wherever the bytes are cut.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    async fn run_heard(
        &mut self,
        program: &Program,
        deadline: Instant,
        heard: Heard<'_>,
    ) -> Result<Exit, SandboxFault> {
        let ended = self.run(program, deadline).await;
        let logs = ended.as_ref().map_or_else(|fault| &fault.logs, |exit| &exit.logs);
        heard(logs.clone().into_text().as_bytes());
        ended
    }

    /// Whether another exchange may follow.
    fn is_clean(&self) -> bool;

    /// Whether it is known to serve nothing more, without a look at what happened since the last exchange: the next one
    /// finds that out, and fails as `Untaken`.
    fn is_spent(&self) -> bool {
        !self.is_clean()
    }

    /// What it used so far.
    ///
    /// # Errors
    /// It is gone, or its counters can't be read.
    fn stats(&self) -> Result<Stats, Error>;

    /// The CPU time alone that it used so far, in microseconds.
    ///
    /// # Errors
    /// As of [`Sandbox::stats`].
    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(self.stats()?.cpu_us)
    }

    /// Stops (`true`) or resumes (`false`) all its processes.
    ///
    /// # Errors
    /// The cgroup refused.
    fn freeze(&mut self, is_frozen: bool) -> Result<(), Error>;

    /// Ends and removes all of it.
    async fn kill(&mut self);
}

/// A sandbox that several calls use at once.
#[derive(Clone)]
pub struct Shared {
    /// Calls that there may be at once, 2 or more.
    pub seats: u32,
    /// What each of them has.
    pub sandbox: Arc<dyn SharedSandbox>,
}

/// What a call has of a sandbox that it shares with others. Who owns the [`Sandbox`] ends it, when no call is under way.
#[async_trait]
pub trait SharedSandbox: Send + Sync {
    /// Its name.
    fn id(&self) -> &SandboxId;

    /// Has the handler called, beside others.
    ///
    /// # Errors
    /// No further exchange may begin; those that are under way go on where they can.
    async fn exchange(&self, request: Request, deadline: Instant) -> Result<Reply<Answer>, SandboxFault>;

    /// Whether another exchange may begin.
    fn is_clean(&self) -> bool;

    /// What the sandbox tried to reach outside since the last time it was asked for, whichever call it was.
    fn take_attempts(&self) -> Attempts {
        Attempts::default()
    }

    /// What it used so far; of the CPU time a call's share of it: what was used while `n` calls ran counts by an `n`th.
    ///
    /// # Errors
    /// It is gone, or its counters can't be read.
    fn stats(&self) -> Result<Stats, Error>;

    /// That share alone, in microseconds.
    ///
    /// # Errors
    /// As of [`SharedSandbox::stats`].
    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(self.stats()?.cpu_us)
    }
}

/// Why an exchange brought no answer.
#[derive(Debug)]
pub struct SandboxFault {
    /// What happened.
    pub kind: SandboxFaultKind,
    /// What the code printed until then.
    pub logs: Logs,
}

/// What happened to a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxFaultKind {
    /// The kernel killed a process at the memory limit.
    #[error("the memory limit was reached")]
    OutOfMemory,
    /// The runtime ended.
    #[error("{}", exit_sentence(*code, *signal))]
    Exited {
        /// Its exit code, where it exited.
        code: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
    },
    /// It ended before it took the request: no code has seen a byte of it.
    #[error("the sandbox ended before it took the request")]
    Untaken,
    /// All of it ended at once, its init too, so somebody outside ended it.
    #[error("the sandbox was ended from outside")]
    Lost,
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The answer is over the limit.
    #[error("an answer of {len} bytes is over the limit of {limit}")]
    AnswerTooLarge {
        /// As announced, in bytes.
        len: usize,
        /// As allowed, in bytes.
        limit: usize,
    },
    /// The protocol was broken.
    #[error("the sandbox broke the protocol: {0}")]
    Tainted(String),
    /// The host's side failed.
    #[error(transparent)]
    Host(#[from] Error),
}

fn exit_sentence(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("the process exited with code {code}"),
        (None, Some(signal)) => format!("the process was ended by signal {signal}"),
        (None, None) => "the process ended".to_owned(),
    }
}

impl SandboxFault {
    /// A fault of the channel, where neither the memory limit nor the runtime's end explains it.
    #[must_use]
    pub fn from_channel(fault: Fault) -> Self {
        use cloudbox_protocol::channel::FaultKind;
        let kind = match fault.kind {
            FaultKind::Ended => SandboxFaultKind::Exited { code: None, signal: None },
            FaultKind::Untaken => SandboxFaultKind::Untaken,
            FaultKind::Deadline => SandboxFaultKind::Deadline,
            FaultKind::AnswerTooLarge { len, limit } => SandboxFaultKind::AnswerTooLarge { len, limit },
            FaultKind::Tainted(why) => SandboxFaultKind::Tainted(why),
        };
        Self { kind, logs: fault.logs }
    }
}

impl From<Error> for SandboxFault {
    fn from(error: Error) -> Self {
        Self { kind: error.into(), logs: Logs::new(0) }
    }
}

/// How a program of [`Sandbox::run`] ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the memory limit ended it.
    pub is_out_of_memory: bool,
    /// What it printed.
    pub logs: Logs,
}

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Sandboxes of an earlier life, removed.
    pub removed: u32,
    /// Those that could not be removed.
    pub failed: u32,
}
