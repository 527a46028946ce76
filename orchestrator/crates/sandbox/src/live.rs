//! A running sandbox, the same for both drivers: they differ in how it comes to be and in what is removed at its end.

mod answering;
mod explain;
mod idle;
mod meter;
mod shared;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_egress::{Gate, Outlet};
use cloudbox_protocol::channel::{Channel, ChannelLimits, Fault, FaultKind};
use cloudbox_protocol::control::{Confinement, FromInit, ToInit};
use cloudbox_protocol::{Answer, Failure, Load, Loaded, Logs, Reply, Request, plain};
use cloudbox_types::{Attempts, Limits};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::background::Background;
use crate::link::{Control, Pipes};
use crate::remains::Remains;
use crate::{
    CodeDir, Error, Exit, Heard, Program, Sandbox, SandboxFault, SandboxFaultKind, SandboxId, SandboxSpec,
    Shared, SharedSandbox, Stats, Workspace, confinement,
};
use answering::answering;
use cloudbox_cgroup::Cgroup;
use explain::{TOLD_WITHIN, Told, has_oom_kills, told_end};
use idle::Idle;
use shared::Sharing;

/// A sandbox with no more has nothing of a second CPU, in thousandths.
const ONE_CORE: u32 = 1000;
/// How long the shim may take to say that a forked call's process is gone, on a machine that has others to run: only a call
/// that makes it wait comes near it.
const FORK_GONE_WITHIN: Duration = Duration::from_secs(5);

/// The pipes, before and after it is known what is spoken over them.
enum Ends {
    Pipes(Pipes),
    Channel(Channel),
    /// Several calls at once speak over it.
    Shared(Arc<Sharing>),
    Gone,
}

/// A running sandbox.
pub struct Live {
    id: SandboxId,
    control: Arc<Mutex<Control>>,
    ends: Ends,
    /// How much an exchange may bring.
    channel_limits: ChannelLimits,
    /// What its cgroup was given, and its `/tmp`.
    limits: Limits,
    confinement: Confinement,
    /// Whether a process that is confined so waits for its program.
    is_armed: bool,
    /// Where the program starts: nothing is mounted over it later.
    cwd: PathBuf,
    cgroup: Arc<dyn Cgroup>,
    /// What runs in it when nothing of a call does.
    idle: Idle,
    /// Where its connections lead out, where there is a way.
    outlet: Option<Arc<Outlet>>,
    /// Whether it serves nothing more, though its channel is in order.
    is_spent: bool,
    /// Whether it is still to be found out which process answers.
    is_unplaced: bool,
    /// None once it was given up.
    remains: Option<Remains>,
    background: Background,
}

impl Live {
    /// A sandbox whose init has sent its pipes.
    #[must_use]
    pub fn new(
        control: Control,
        pipes: Pipes,
        spec: &SandboxSpec,
        remains: Remains,
        background: Background,
    ) -> Self {
        Self {
            id: remains.id.clone(),
            control: Arc::new(Mutex::new(control)),
            ends: Ends::Pipes(pipes),
            channel_limits: spec.channel,
            limits: spec.limits,
            confinement: confinement::of(spec),
            is_armed: false,
            cwd: PathBuf::from(if spec.workspace == Workspace::Slot { "/" } else { "/workspace" }),
            cgroup: remains.cgroup.clone(),
            idle: Idle::default(),
            outlet: None,
            is_spent: false,
            is_unplaced: false,
            remains: Some(remains),
            background,
        }
    }

    /// Has the init start a program.
    async fn spawn(&mut self, program: &Program, is_plain: bool) -> Result<(), Error> {
        let usual = || self.cwd.display().to_string();
        let message = ToInit::Start {
            argv: program.argv.clone(),
            env: program.env.clone(),
            cwd: program.cwd.clone().unwrap_or_else(usual),
            is_plain,
            confinement: (!std::mem::take(&mut self.is_armed)).then(|| self.confinement.clone()),
        };
        self.told(&message, |said| matches!(said, FromInit::Started { .. })).await
    }

    /// Tells the init to do something that belongs to the start, and waits until it says that this is done.
    async fn told(&self, message: &ToInit, is_done: fn(&FromInit) -> bool) -> Result<(), Error> {
        let mut control = self.control.lock().await;
        control.send(message).await?;
        match control.receive().await? {
            said if is_done(&said) => Ok(()),
            FromInit::Failed { step, error } => Err(Error::Setup { step, message: error }),
            other => Err(Error::Setup { step: "start".to_owned(), message: format!("{other:?}") }),
        }
    }

    /// One exchange over the channel; where it fails, why.
    async fn explained<T>(&mut self, outcome: Result<Reply<T>, Fault>) -> Result<Reply<T>, SandboxFault> {
        match outcome {
            Ok(reply) => Ok(reply),
            Err(fault) => Err(self.explain(SandboxFault::from_channel(fault)).await),
        }
    }

    /// The memory limit and the runtime's end explain more than a closed pipe does.
    async fn explain(&mut self, mut fault: SandboxFault) -> SandboxFault {
        self.is_spent = true;
        if explain::is_of_memory(&fault.kind, self.cgroup.as_ref()) {
            fault.kind = SandboxFaultKind::OutOfMemory;
        } else if matches!(fault.kind, SandboxFaultKind::Exited { .. }) {
            let told = told_end(&mut *self.control.lock().await).await;
            if let (Told::Lost, Ends::Channel(channel)) = (told, &self.ends) {
                // An init that is killed goes first, and the others of its sandbox a moment later.
                channel.nobody_reads(TOLD_WITHIN).await;
            }
            // Whoever ended it, a request that nobody took has nothing to do with it.
            fault.kind = match &self.ends {
                Ends::Channel(channel) if channel.is_untaken() => SandboxFaultKind::Untaken,
                _ => told.kind(self.cgroup.as_ref()),
            };
        }
        fault
    }

    /// Several calls at once have it from now on.
    fn share(&mut self, seats: u32) {
        self.ends = match std::mem::replace(&mut self.ends, Ends::Gone) {
            Ends::Channel(channel) => Ends::Shared(Arc::new(Sharing::new(
                self.id.clone(),
                channel.into_several(seats),
                Arc::clone(&self.control),
                Arc::clone(&self.cgroup),
                self.outlet.as_ref().map(Arc::downgrade),
            ))),
            ends => ends,
        };
    }

    fn channel(&mut self) -> Result<&mut Channel, SandboxFault> {
        match &mut self.ends {
            Ends::Channel(channel) => Ok(channel),
            _ => Err(not_started().into()),
        }
    }
}

/// Whether the shim knows of something that the call left.
fn has_survivors(answer: &Answer) -> bool {
    let survivors = match answer {
        Answer::Result(head, _) => &head.survivors,
        Answer::Streamed(streamed) => &streamed.survivors,
        Answer::Failure(failure) => &failure.survivors,
    };
    !survivors.is_empty()
}

#[async_trait]
impl Sandbox for Live {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    async fn bind(&mut self, limits: &Limits, code: &CodeDir) -> Result<(), Error> {
        // How long a call may take is not the sandbox's matter.
        if *limits != (Limits { timeout_s: limits.timeout_s, ..self.limits }) {
            self.cgroup.set_limits(limits)?;
            if limits.tmp_bytes() != self.limits.tmp_bytes() {
                crate::tmp::resize(self.cgroup.as_ref(), limits.tmp_bytes())?;
            }
            self.limits = *limits;
        }
        let Some(remains) = &mut self.remains else { return Err(Error::Gone) };
        if remains.run_dir.can_mount() {
            remains.slot.attach(code)?;
        } else {
            tokio::task::block_in_place(|| remains.slot.attach(code))?;
        }
        self.cwd = PathBuf::from("/workspace");
        Ok(())
    }

    async fn open_egress(&mut self, gate: &Arc<Gate>, deadline: Instant) -> Result<(), Error> {
        let (datagrams, streams) = (cloudbox_egress::NAMES_PORT, gate.ports());
        let mut control = self.control.lock().await;
        let sockets = timeout_at(deadline, control.listen(datagrams, &streams)).await;
        let sockets = sockets.map_err(|_| Error::Gone)??;
        self.outlet = Some(Arc::new(Outlet::open(gate, sockets).map_err(|error| broken_socket(&error))?));
        Ok(())
    }

    fn take_attempts(&mut self) -> Attempts {
        self.outlet.as_deref().map(Outlet::take).unwrap_or_default()
    }

    async fn arm(&mut self, deadline: Instant) -> Result<(), Error> {
        let message = ToInit::Arm { confinement: self.confinement.clone() };
        let armed = self.told(&message, |said| matches!(said, FromInit::Armed));
        timeout_at(deadline, armed).await.map_err(|_| Error::Gone)??;
        self.is_armed = true;
        Ok(())
    }

    async fn start(&mut self, program: &Program, deadline: Instant) -> Result<(), SandboxFault> {
        let Ends::Pipes(pipes) = std::mem::replace(&mut self.ends, Ends::Gone) else {
            return Err(not_started().into());
        };
        self.ends = Ends::Channel(pipes.into_channel(self.channel_limits));
        self.idle = Idle::new(program.has_fixed_threads);
        timeout_at(deadline, self.spawn(program, false)).await.map_err(|_| deadline_passed())??;
        let hello = self.channel()?.hello(deadline).await;
        self.explained(hello).await.map(drop)
    }

    async fn load(
        &mut self,
        load: Load,
        deadline: Instant,
    ) -> Result<Reply<Result<Loaded, Failure>>, SandboxFault> {
        let wanted = load.concurrency;
        let outcome = self.channel()?.load(load, deadline).await;
        let reply = self.explained(outcome).await?;
        // Top-level code may start threads and processes: they are there between calls, too.
        self.idle.measure(&mut *self.control.lock().await, self.cgroup.as_ref(), deadline).await?;
        // The shim may say anything; more than was asked for is not given.
        let seats = reply.answer.as_ref().map_or(1, |loaded| loaded.concurrency.min(wanted));
        if seats > 1 {
            self.share(seats);
        } else {
            self.is_unplaced = self.limits.cpu_millis <= ONE_CORE;
        }
        Ok(reply)
    }

    async fn exchange(&mut self, request: Request, deadline: Instant) -> Result<Reply<Answer>, SandboxFault> {
        if self.is_unplaced && self.channel()?.waits_next() {
            self.is_unplaced = false;
            if let Some(pid) = answering(&self.cgroup.processes()) {
                self.channel()?.keep_near(pid);
            }
        }
        let channel = self.channel()?;
        let outcome = match channel.invoke(request, deadline).await {
            Err(Fault { kind: kind @ (FaultKind::Ended | FaultKind::Tainted(_)), logs })
                if channel.is_unasked() =>
            {
                // Whatever happened to it between two calls, this one has nothing to do with it.
                tracing::info!(sandbox.id = %self.id, ?kind, "a sandbox had ended before it was called");
                self.is_spent = true;
                return Err(SandboxFault { kind: SandboxFaultKind::Untaken, logs });
            }
            outcome => outcome,
        };
        let reply = self.explained(outcome).await?;
        // Without a group's end by the kernel, as before version 2 of cgroups, what is left of a sandbox may answer.
        if has_oom_kills(self.cgroup.as_ref()) {
            self.is_spent = true;
            return Err(SandboxFault { kind: SandboxFaultKind::OutOfMemory, logs: reply.logs });
        }
        self.is_spent |= has_survivors(&reply.answer);
        Ok(reply)
    }

    fn shared(&self) -> Option<Shared> {
        match &self.ends {
            Ends::Shared(sharing) => {
                Some(Shared { seats: sharing.seats(), sandbox: Arc::clone(sharing) as _ })
            }
            _ => None,
        }
    }

    async fn settle(&mut self, patience: Duration) -> bool {
        let is_over = match &mut self.ends {
            Ends::Channel(channel) => channel.settled(FORK_GONE_WITHIN).await,
            Ends::Shared(sharing) => sharing.is_clean(),
            Ends::Pipes(_) | Ends::Gone => false,
        };
        let Self { control, cgroup, idle, .. } = self;
        let mut control = control.lock().await;
        self.is_spent |= !is_over || !idle.is_restored(&mut control, cgroup.as_ref(), patience).await;
        drop(control);
        !self.is_spent
    }

    async fn restart(&mut self, deadline: Instant) -> Result<(), SandboxFault> {
        self.ends = Ends::Gone;
        let mut control = self.control.lock().await;
        self.is_armed = false;
        control.send(&ToInit::Restart).await?;
        self.ends = Ends::Pipes(control.ready(deadline).await?);
        self.is_spent = false;
        Ok(())
    }

    async fn run(&mut self, program: &Program, deadline: Instant) -> Result<Exit, SandboxFault> {
        self.run_heard(program, deadline, &mut |_| {}).await
    }

    async fn run_heard(
        &mut self,
        program: &Program,
        deadline: Instant,
        heard: Heard<'_>,
    ) -> Result<Exit, SandboxFault> {
        let Ends::Pipes(pipes) = std::mem::replace(&mut self.ends, Ends::Gone) else {
            return Err(not_started().into());
        };
        let mut logs = Logs::new(self.channel_limits.logs);
        let outcome = timeout_at(deadline, async {
            self.spawn(program, true).await?;
            // Its stdin is at its end, and its stdout goes where its stderr goes.
            let output = pipes.logs;
            drop((pipes.requests, pipes.answers));
            let mut control = self.control.lock().await;
            let (exit, ()) =
                tokio::join!(explain::exit(&mut control), plain::collect(&output, &mut logs, heard));
            exit
        })
        .await;
        let kind = match outcome {
            Err(_) => SandboxFaultKind::Deadline,
            // The memory limit ends a whole group where the kernel can: the init, who would tell, with the program.
            Ok(Err(_)) if has_oom_kills(self.cgroup.as_ref()) => {
                return Ok(Exit { code: None, signal: Some(libc::SIGKILL), is_out_of_memory: true, logs });
            }
            Ok(Err(error)) => error.into(),
            Ok(Ok((code, signal))) => {
                let is_out_of_memory = code != Some(0) && has_oom_kills(self.cgroup.as_ref());
                return Ok(Exit { code, signal, is_out_of_memory, logs });
            }
        };
        Err(SandboxFault { kind, logs })
    }

    fn is_clean(&self) -> bool {
        !self.is_spent() && !matches!(&self.ends, Ends::Channel(channel) if !channel.is_clean())
    }

    fn is_spent(&self) -> bool {
        self.is_spent
            || match &self.ends {
                Ends::Channel(channel) => channel.is_spent(),
                Ends::Shared(sharing) => !sharing.is_clean(),
                Ends::Pipes(_) | Ends::Gone => true,
            }
    }

    fn stats(&self) -> Result<Stats, Error> {
        Ok(self.cgroup.stats()?)
    }

    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(self.cgroup.cpu_us()?)
    }

    fn freeze(&mut self, is_frozen: bool) -> Result<(), Error> {
        Ok(self.cgroup.freeze(is_frozen)?)
    }

    async fn kill(&mut self) {
        self.outlet = None;
        if let Ends::Shared(sharing) = &self.ends {
            sharing.close();
        }
        if let Some(remains) = self.remains.take() {
            self.background.kill(remains).await;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(remains) = self.remains.take() {
            drop(self.background.kill(remains));
        }
    }
}

fn not_started() -> Error {
    Error::Setup {
        step: "start".to_owned(),
        message: "a sandbox starts one program, once, before anything is asked of it".to_owned(),
    }
}

fn broken_socket(error: &std::io::Error) -> Error {
    Error::Setup { step: "egress".to_owned(), message: error.to_string() }
}

fn deadline_passed() -> SandboxFault {
    SandboxFault { kind: SandboxFaultKind::Deadline, logs: Logs::new(0) }
}
