//! A driver whose sandboxes are nothing but a script and a book: for tests, with paused time.
//!
//! What an exchange does is chosen by the call's path: `/exit`, `/oom`, `/hang` (until the deadline), `/dirty`
//! (answers, then is not clean), `/survivor` (answers and leaves something running); anything else answers with the body
//! it got. Where `load` has a concurrency, several calls have it at once.

mod book;
mod sandbox;
mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_sandbox::{Error, Layer, RootFs, Sandbox, SandboxDriver, SandboxId, SandboxSpec, SweepReport};
use parking_lot::Mutex;
use tokio::time::sleep;

pub use book::{Book, Entry};
use sandbox::FakeSandbox;

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
    /// What `start` does of a process that waits: only `Good` and `Host` differ.
    pub starts_of_armed: Outcome,
    /// What `bind` does: only `Good` and `Host` differ.
    pub binds: Outcome,
    /// What `load` does, by function; good where not named.
    pub loads: HashMap<i64, Outcome>,
    /// Whether code blocks, and so takes one call at a time, however many are wanted.
    pub blocks: bool,
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
    /// What sandboxes are made from is gone (a create only).
    NoRoot,
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
            memory_mb,
            binds: 0,
            loads: Vec::new(),
            answered: 0,
            is_clean: true,
            is_armed: false,
            has_survivors: false,
            restarts: 0,
            is_frozen: false,
            sharing: 0,
            sharing_peak: 0,
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
            Outcome::NoRoot => Err(Error::Image { image: "x".to_owned(), why: "it was removed".to_owned() }),
            Outcome::Host | Outcome::Code | Outcome::Exit | Outcome::Killed => Err(Error::Gone),
        }
    }

    async fn sweep(&self) -> Result<SweepReport, Error> {
        Ok(SweepReport::default())
    }
}
