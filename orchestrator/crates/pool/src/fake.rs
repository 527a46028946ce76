//! A driver whose sandboxes are nothing but a script and a book: for tests, with paused time.
//!
//! What an exchange does is chosen by the call's path: `/exit`, `/oom`, `/hang` (until the deadline), `/dirty`
//! (answers, then is not clean), `/survivor` (answers and leaves something running); anything else answers with the body
//! it got.

mod book;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::message::{FailureKind, ResultHead};
use cloudbox_protocol::{Answer, Failure, Invoke, Load, Loaded, Logs, Reply};
use cloudbox_sandbox::{
    CodeDir, Error, Exit, Layer, Program, RootFs, Sandbox, SandboxDriver, SandboxFault, SandboxFaultKind,
    SandboxId, SandboxSpec, Stats, SweepReport,
};
use cloudbox_types::Limits;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

pub use book::{Book, Entry};

/// Makes fake sandboxes. Clones share script and book.
#[derive(Clone, Default)]
pub struct FakeDriver {
    desk: Arc<Desk>,
}

#[derive(Default)]
struct Desk {
    script: Mutex<Script>,
    book: Mutex<Book>,
}

/// How long each step takes, and what fails. Changes apply to what comes.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Of `create`.
    pub create: Duration,
    /// Of `start`.
    pub start: Duration,
    /// Of `load`.
    pub load: Duration,
    /// Of an exchange.
    pub exchange: Duration,
    /// Of `kill`.
    pub kill: Duration,
    /// What `create` does.
    pub creates: Outcome,
    /// What `bind` does: only `Good` and `Host` differ.
    pub binds: Outcome,
    /// What `load` does, by function; good where not named.
    pub loads: HashMap<i64, Outcome>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeds.
    #[default]
    Good,
    /// The host fails.
    Host,
    /// The code fails (a load only).
    Code,
    /// The process ends.
    Exit,
    /// The process is killed from outside.
    Killed,
    /// The driver panics.
    Panic,
}

impl FakeDriver {
    /// A driver that follows `script`.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { desk: Arc::new(Desk { script: Mutex::new(script), book: Mutex::default() }) }
    }

    /// Changes the script.
    pub fn rewrite(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.desk.script.lock());
    }

    /// From now on, loading this function ends so.
    pub fn load(&self, function: i64, outcome: Outcome) {
        self.desk.script.lock().loads.insert(function, outcome);
    }

    /// The book as it is now.
    #[must_use]
    pub fn book(&self) -> Book {
        self.desk.book.lock().clone()
    }

    /// Reads the book without a copy.
    pub fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.desk.book.lock())
    }

    /// Ends the process of each sandbox that lives.
    pub fn spoil_all(&self) {
        self.desk.book.lock().entries.iter_mut().for_each(|entry| entry.is_clean = false);
    }
}

impl Desk {
    fn script(&self) -> Script {
        self.script.lock().clone()
    }

    fn open(&self, spec: &SandboxSpec) -> usize {
        let mut book = self.book.lock();
        let memory_mb = spec.limits.memory_mb;
        let index = book.entries.len();
        book.entries.push(Entry {
            id: SandboxId(format!("fake-{index}")),
            memory_mb,
            binds: 0,
            loads: Vec::new(),
            answered: 0,
            is_clean: true,
            has_survivors: false,
            restarts: 0,
            is_frozen: false,
            is_alive: true,
        });
        book.live += 1;
        book.creating += 1;
        book.live_peak = book.live_peak.max(book.live);
        book.creating_peak = book.creating_peak.max(book.creating);
        book.charge(0, memory_mb);
        index
    }

    fn entry<T>(&self, index: usize, change: impl FnOnce(&mut Entry) -> T) -> T {
        change(&mut self.book.lock().entries[index])
    }

    fn close(&self, index: usize) {
        let mut book = self.book.lock();
        let entry = &mut book.entries[index];
        if std::mem::replace(&mut entry.is_alive, false) {
            let memory_mb = entry.memory_mb;
            book.live -= 1;
            book.charge(memory_mb, 0);
        }
    }
}

#[async_trait]
impl SandboxDriver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn layers(&self) -> Vec<Layer> {
        Vec::new()
    }

    async fn prepare(&self, _: &RootFs) -> Result<(), Error> {
        Ok(())
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Box<dyn Sandbox>, Error> {
        let script = self.desk.script();
        let index = self.desk.open(spec);
        sleep(script.create).await;
        self.desk.book.lock().creating -= 1;
        if script.creates != Outcome::Good {
            self.desk.close(index);
        }
        match script.creates {
            Outcome::Good => {
                let id = SandboxId(format!("fake-{index}"));
                Ok(Box::new(FakeSandbox { id, index, desk: Arc::clone(&self.desk) }))
            }
            Outcome::Panic => panic!("the script says so"),
            Outcome::Host | Outcome::Code | Outcome::Exit | Outcome::Killed => Err(Error::Gone),
        }
    }

    async fn sweep(&self) -> Result<SweepReport, Error> {
        Ok(SweepReport::default())
    }
}

struct FakeSandbox {
    id: SandboxId,
    index: usize,
    desk: Arc<Desk>,
}

impl FakeSandbox {
    fn fault(&self, kind: SandboxFaultKind) -> SandboxFault {
        self.desk.entry(self.index, |entry| entry.is_clean = false);
        SandboxFault { kind, logs: Logs::new(0) }
    }
}

const EXITED: SandboxFaultKind = SandboxFaultKind::Exited { code: Some(1), signal: None };

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

    async fn start(&mut self, _: &Program, _: Instant) -> Result<(), SandboxFault> {
        sleep(self.desk.script().start).await;
        Ok(())
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
                let loaded = Loaded { nonce: String::new(), handler_style: "event".to_owned() };
                Ok(Reply { answer: Ok(loaded), logs })
            }
            Outcome::Code => Ok(Reply { answer: Err(failure()), logs }),
            Outcome::Exit => Err(self.fault(EXITED)),
            Outcome::Killed => Err(self.fault(SandboxFaultKind::Exited { code: None, signal: Some(9) })),
            Outcome::Host => Err(self.fault(Error::Gone.into())),
            Outcome::Panic => panic!("the script says so"),
        }
    }

    async fn exchange(
        &mut self,
        invoke: Invoke,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Reply<Answer>, SandboxFault> {
        if !self.is_clean() || self.desk.entry(self.index, |entry| entry.is_frozen) {
            return Err(self.fault(EXITED));
        }
        self.desk.entry(self.index, |entry| entry.is_clean = false);
        let pause = self.desk.script.lock().exchange;
        if !pause.is_zero() {
            sleep(pause).await;
        }
        match invoke.path.as_str() {
            "/exit" => return Err(self.fault(EXITED)),
            "/oom" => return Err(self.fault(SandboxFaultKind::OutOfMemory)),
            "/hang" => {
                sleep_until(deadline).await;
                return Err(self.fault(SandboxFaultKind::Deadline));
            }
            path => self.desk.entry(self.index, |entry| {
                entry.answered += 1;
                entry.is_clean = path != "/dirty";
                entry.has_survivors = path == "/survivor";
            }),
        }
        let head =
            ResultHead { nonce: String::new(), status: 200, headers: Vec::new(), survivors: Vec::new() };
        Ok(Reply { answer: Answer::Result(head, body), logs: Logs::new(0) })
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

fn failure() -> Failure {
    Failure {
        nonce: String::new(),
        kind: FailureKind::Error,
        message: "Error: at the top level".to_owned(),
        stack: String::new(),
        survivors: Vec::new(),
    }
}
