//! What all sandboxes hold together. Every sandbox has a [`Permit`]; what it holds returns when that is dropped.

use std::collections::HashMap;
use std::sync::Arc;

use cloudbox_types::ProjectId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::settings::Settings;
use crate::target::TargetKey;

/// The limits, and what is held of them. Its lock is the innermost one.
pub(crate) struct Budget {
    memory_mb: u64,
    sandboxes: u32,
    starts: u32,
    held: Mutex<Held>,
    emptied: Notify,
}

/// What is held.
#[derive(Default)]
struct Held {
    memory_mb: u64,
    sandboxes: u32,
    starting: u32,
    draining: Need,
    keys: HashMap<TargetKey, Need>,
    projects: HashMap<ProjectId, u64>,
}

/// An amount of the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    pub memory_mb: u64,
    pub sandboxes: u32,
}

impl Need {
    pub fn add(&mut self, other: Self) {
        self.memory_mb += other.memory_mb;
        self.sandboxes += other.sandboxes;
    }

    fn sub(&mut self, other: Self) {
        self.memory_mb -= other.memory_mb;
        self.sandboxes -= other.sandboxes;
    }
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// As many starts as allowed are under way.
    Starts,
    /// The memory, or the count of sandboxes.
    Room,
}

/// What a sandbox is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Standing,
    Draining,
}

/// One sandbox's part of the budget.
pub(crate) struct Permit {
    budget: Arc<Budget>,
    owner: Option<TargetKey>,
    memory_mb: u64,
    stage: Stage,
}

/// The budget's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub memory_mb: u64,
    pub sandboxes: u32,
    pub draining: u32,
}

impl Budget {
    pub fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            memory_mb: settings.memory_budget_mb,
            sandboxes: settings.max_sandboxes,
            starts: settings.max_starts_at_once.max(1),
            held: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// MB in all.
    pub fn capacity_mb(&self) -> u64 {
        self.memory_mb
    }

    /// A permit to create a sandbox.
    pub fn take(self: &Arc<Self>, owner: Option<TargetKey>, memory_mb: u64) -> Result<Permit, Short> {
        let mut held = self.held.lock();
        if held.starting >= self.starts {
            return Err(Short::Starts);
        }
        if !self.fits(&held, Need { memory_mb, sandboxes: 1 }) {
            return Err(Short::Room);
        }
        held.starting += 1;
        held.sandboxes += 1;
        held.memory_mb += memory_mb;
        held.own(owner, memory_mb);
        Ok(Permit { budget: Arc::clone(self), owner, memory_mb, stage: Stage::Starting })
    }

    /// Whether this much is free now.
    pub fn has(&self, need: Need) -> bool {
        self.fits(&self.held.lock(), need)
    }

    /// How much of `need` is neither free nor about to be.
    pub fn missing(&self, need: Need) -> Need {
        let held = self.held.lock();
        let memory =
            (held.memory_mb - held.draining.memory_mb + need.memory_mb).saturating_sub(self.memory_mb);
        let sandboxes =
            (held.sandboxes - held.draining.sandboxes + need.sandboxes).saturating_sub(self.sandboxes);
        Need { memory_mb: memory, sandboxes }
    }

    /// What one key holds, those that are being killed included.
    pub fn of_key(&self, key: &TargetKey) -> Need {
        self.held.lock().keys.get(key).copied().unwrap_or_default()
    }

    /// MB that one project holds.
    pub fn of_project(&self, project: ProjectId) -> u64 {
        self.held.lock().projects.get(&project).copied().unwrap_or_default()
    }

    pub fn totals(&self) -> Totals {
        let held = self.held.lock();
        Totals { memory_mb: held.memory_mb, sandboxes: held.sandboxes, draining: held.draining.sandboxes }
    }

    /// Waits until nothing is held.
    pub async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            tokio::pin!(notified);
            // Registers before the look, so that a permit that returns in between is not missed.
            notified.as_mut().enable();
            if self.totals().sandboxes == 0 {
                return;
            }
            notified.await;
        }
    }

    fn fits(&self, held: &Held, need: Need) -> bool {
        held.memory_mb + need.memory_mb <= self.memory_mb && held.sandboxes + need.sandboxes <= self.sandboxes
    }
}

impl Held {
    fn own(&mut self, owner: Option<TargetKey>, memory_mb: u64) {
        let Some(key) = owner else { return };
        self.keys.entry(key).or_default().add(Need { memory_mb, sandboxes: 1 });
        *self.projects.entry(key.project).or_default() += memory_mb;
    }

    fn disown(&mut self, owner: Option<TargetKey>, memory_mb: u64) {
        let Some(key) = owner else { return };
        if let Some(need) = self.keys.get_mut(&key) {
            need.sub(Need { memory_mb, sandboxes: 1 });
            if need.sandboxes == 0 {
                self.keys.remove(&key);
            }
        }
        if let Some(held) = self.projects.get_mut(&key.project) {
            *held -= memory_mb;
            if *held == 0 {
                self.projects.remove(&key.project);
            }
        }
    }

    fn leave(&mut self, stage: Stage, memory_mb: u64) {
        match stage {
            Stage::Starting => self.starting -= 1,
            Stage::Standing => {}
            Stage::Draining => self.draining.sub(Need { memory_mb, sandboxes: 1 }),
        }
    }
}

impl Permit {
    /// MB that it holds.
    pub const fn memory_mb(&self) -> u64 {
        self.memory_mb
    }

    /// The start is over.
    pub fn stand(&mut self) {
        self.budget.held.lock().leave(self.stage, self.memory_mb);
        self.stage = Stage::Standing;
    }

    /// The kill begins: what it holds is about to be free.
    pub fn drain(&mut self) {
        let mut held = self.budget.held.lock();
        held.leave(self.stage, self.memory_mb);
        held.draining.add(Need { memory_mb: self.memory_mb, sandboxes: 1 });
        self.stage = Stage::Draining;
    }

    /// Turns a spare's permit into a key's; the caller has seen that the difference fits.
    pub fn assign(&mut self, owner: TargetKey, memory_mb: u64) {
        let mut held = self.budget.held.lock();
        held.disown(self.owner, self.memory_mb);
        held.memory_mb = held.memory_mb - self.memory_mb + memory_mb;
        held.own(Some(owner), memory_mb);
        self.owner = Some(owner);
        self.memory_mb = memory_mb;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.budget.held.lock();
        held.leave(self.stage, self.memory_mb);
        held.disown(self.owner, self.memory_mb);
        held.memory_mb -= self.memory_mb;
        held.sandboxes -= 1;
        let is_empty = held.sandboxes == 0;
        drop(held);
        if is_empty {
            self.budget.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudbox_types::FunctionId;

    fn budget(memory_budget_mb: u64) -> Arc<Budget> {
        Budget::new(&Settings {
            memory_budget_mb,
            max_sandboxes: 3,
            max_starts_at_once: 2,
            ..Settings::default()
        })
    }

    const KEY: TargetKey =
        TargetKey { project: ProjectId(1), function: FunctionId(1), version: 1, revision: 1 };

    #[test]
    fn permits_return_what_they_hold() {
        let budget = budget(300);
        let mut first = budget.take(Some(KEY), 100).unwrap();
        let second = budget.take(None, 100).unwrap();
        assert_eq!(budget.take(None, 1).err(), Some(Short::Starts));
        first.stand();
        assert_eq!(budget.take(None, 101).err(), Some(Short::Room));
        assert_eq!(budget.of_key(&KEY), Need { memory_mb: 100, sandboxes: 1 });
        drop(second);
        first.drain();
        assert_eq!(budget.missing(Need { memory_mb: 300, sandboxes: 3 }), Need::default());
        assert!(!budget.has(Need { memory_mb: 300, sandboxes: 1 }));
        drop(first);
        assert!(budget.has(Need { memory_mb: 300, sandboxes: 3 }));
        assert_eq!(budget.of_project(KEY.project), 0);
    }

    #[test]
    fn a_spares_permit_becomes_a_keys() {
        let budget = budget(300);
        let mut permit = budget.take(None, 128).unwrap();
        permit.stand();
        permit.assign(KEY, 200);
        assert_eq!(budget.of_project(KEY.project), 200);
        assert_eq!(budget.totals().memory_mb, 200);
        drop(permit);
        assert_eq!(budget.totals().memory_mb, 0);
    }
}
