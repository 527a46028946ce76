//! A sandbox of the fake driver: does what the script says, and writes it into the book.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::message::{FailureKind, ResultHead};
use cloudbox_protocol::{Answer, Failure, Load, Loaded, Logs, Reply, Request};
use cloudbox_sandbox::{
    CodeDir, Error, Exit, Gate, Program, Sandbox, SandboxFault, SandboxFaultKind, SandboxId, Shared, Stats,
};
use cloudbox_types::Limits;
use tokio::time::{Instant, sleep, sleep_until};

use super::shared::FakeShared;
use super::{Desk, Outcome};

pub(super) struct FakeSandbox {
    pub(super) id: SandboxId,
    pub(super) index: usize,
    pub(super) desk: Arc<Desk>,
}

impl FakeSandbox {
    fn fault(&self, kind: SandboxFaultKind) -> SandboxFault {
        self.desk.entry(self.index, |entry| entry.is_clean = false);
        SandboxFault { kind, logs: Logs::new(0) }
    }
}

pub(super) const EXITED: SandboxFaultKind = SandboxFaultKind::Exited { code: Some(1), signal: None };

#[async_trait]
impl Sandbox for FakeSandbox {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    async fn bind(&mut self, limits: &Limits, _: &CodeDir) -> Result<(), Error> {
        if self.desk.script().binds != Outcome::Good {
            return Err(Error::Gone);
        }
        let mut book = self.desk.book.lock();
        let entry = &mut book.entries[self.index];
        let before_mb = std::mem::replace(&mut entry.memory_mb, limits.memory_mb);
        entry.binds += 1;
        book.charge(before_mb, limits.memory_mb);
        Ok(())
    }

    async fn open_egress(&mut self, _: &Arc<Gate>, _: Instant) -> Result<(), Error> {
        Ok(())
    }

    async fn arm(&mut self, _: Instant) -> Result<(), Error> {
        self.desk.entry(self.index, |entry| entry.is_armed = true);
        Ok(())
    }

    async fn start(&mut self, _: &Program, _: Instant) -> Result<(), SandboxFault> {
        let script = self.desk.script();
        sleep(script.start).await;
        let is_armed = self.desk.entry(self.index, |entry| entry.is_armed);
        match script.starts_of_armed {
            Outcome::Host if is_armed => Err(Error::Gone.into()),
            _ => Ok(()),
        }
    }

    async fn load(&mut self, load: Load, _: Instant) -> Result<Reply<Result<Loaded, Failure>>, SandboxFault> {
        let script = self.desk.script();
        let outcome = script.loads.get(&load.function.id).copied().unwrap_or_default();
        self.desk.entry(self.index, |entry| entry.loads.push(load));
        sleep(script.load).await;
        let mut logs = Logs::new(100);
        logs.push(b"loading\n");
        match outcome {
            Outcome::Good => {
                let loaded = Loaded {
                    nonce: String::new(),
                    handler_style: "event".to_owned(),
                    is_forked: false,
                    concurrency: 1,
                };
                Ok(Reply { answer: Ok(loaded), logs })
            }
            Outcome::Code => Ok(Reply { answer: Err(failure()), logs }),
            Outcome::Exit => Err(self.fault(EXITED)),
            Outcome::Killed => Err(self.fault(SandboxFaultKind::Exited { code: None, signal: Some(9) })),
            Outcome::Host | Outcome::NoRoot => Err(self.fault(Error::Gone.into())),
            Outcome::Panic => panic!("the script says so"),
        }
    }

    async fn exchange(
        &mut self,
        Request { invoke, body, .. }: Request,
        deadline: Instant,
    ) -> Result<Reply<Answer>, SandboxFault> {
        if !self.is_clean() || self.desk.entry(self.index, |entry| entry.is_frozen) {
            return Err(self.fault(EXITED));
        }
        self.desk.entry(self.index, |entry| entry.is_clean = false);
        answer(&self.desk, self.index, (&invoke.path, body), deadline).await.map_err(|kind| self.fault(kind))
    }

    fn shared(&self) -> Option<Shared> {
        let seats =
            self.desk.entry(self.index, |entry| entry.loads.last().map_or(1, |load| load.concurrency));
        let (id, index, desk) = (self.id.clone(), self.index, Arc::clone(&self.desk));
        let blocks = self.desk.script.lock().blocks;
        (seats > 1 && !blocks).then(|| Shared { seats, sandbox: Arc::new(FakeShared { id, index, desk }) })
    }

    async fn settle(&mut self, _: Duration) -> bool {
        self.desk.entry(self.index, |entry| {
            entry.is_clean &= !std::mem::take(&mut entry.has_survivors);
            entry.is_clean
        })
    }

    async fn restart(&mut self, _: Instant) -> Result<(), SandboxFault> {
        self.desk.entry(self.index, |entry| {
            entry.restarts += 1;
            entry.has_survivors = false;
            entry.is_clean = true;
        });
        Ok(())
    }

    async fn run(&mut self, _: &Program, _: Instant) -> Result<Exit, SandboxFault> {
        Ok(Exit { code: Some(0), signal: None, is_out_of_memory: false, logs: Logs::new(0) })
    }

    fn is_clean(&self) -> bool {
        self.desk.entry(self.index, |entry| entry.is_clean)
    }

    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn freeze(&mut self, is_frozen: bool) -> Result<(), Error> {
        self.desk.entry(self.index, |entry| entry.is_frozen = is_frozen);
        Ok(())
    }

    async fn kill(&mut self) {
        sleep(self.desk.script().kill).await;
        self.desk.close(self.index);
    }
}

impl Drop for FakeSandbox {
    fn drop(&mut self) {
        self.desk.close(self.index);
    }
}

/// Does what the path says; an answer leaves the sandbox clean, but where the path says otherwise.
pub(super) async fn answer(
    desk: &Desk,
    index: usize,
    (path, body): (&str, Bytes),
    deadline: Instant,
) -> Result<Reply<Answer>, SandboxFaultKind> {
    let pause = desk.script.lock().exchange;
    if !pause.is_zero() {
        sleep(pause).await;
    }
    match path {
        "/exit" => return Err(EXITED),
        "/oom" => return Err(SandboxFaultKind::OutOfMemory),
        "/hang" => {
            sleep_until(deadline).await;
            return Err(SandboxFaultKind::Deadline);
        }
        path => desk.entry(index, |entry| {
            entry.answered += 1;
            // Beside others, one that is not clean any more stays so.
            let was_clean = entry.sharing == 0 || entry.is_clean;
            entry.is_clean = was_clean && path != "/dirty";
            entry.has_survivors |= path == "/survivor";
        }),
    }
    let head = ResultHead {
        nonce: String::new(),
        status: 200,
        headers: Vec::new(),
        is_streamed: false,
        survivors: Vec::new(),
    };
    Ok(Reply { answer: Answer::Result(head, body), logs: Logs::new(0) })
}

fn failure() -> Failure {
    Failure {
        nonce: String::new(),
        kind: FailureKind::Error,
        message: "Error: at the top level".to_owned(),
        stack: String::new(),
        survivors: Vec::new(),
    }
}
