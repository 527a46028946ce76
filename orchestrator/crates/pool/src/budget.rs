//! What all sandboxes hold together. Every sandbox has a [`Permit`]; what it holds returns when that is dropped.

use std::collections::HashSet;
use std::sync::Arc;

use cloudbox_types::{IdMap, ProjectId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::settings::Settings;
use crate::target::TargetKey;

/// The limits, and what is held of them. Its lock is the innermost one.
pub(crate) struct Budget {
    memory_mb: u64,
    sandboxes: u32,
    starts: u32,
    /// What one project may hold while there are others.
    share: Need,
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
    keys: IdMap<TargetKey, Need>,
    projects: IdMap<ProjectId, OfProject>,
    /// Those that share it, whether they hold something or not.
    tenants: HashSet<ProjectId>,
}

/// What a project holds, and what of it is about to be free.
#[derive(Default)]
struct OfProject {
    held: Need,
    draining: Need,
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

    /// Whether this is as much as `other`.
    pub const fn covers(self, other: Self) -> bool {
        self.memory_mb >= other.memory_mb && self.sandboxes >= other.sandboxes
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
    /// The project has its share.
    Share,
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
        let percent = u64::from(settings.project_percent.min(100));
        let sandboxes = u64::from(settings.max_sandboxes) * percent / 100;
        Arc::new(Self {
            share: Need {
                memory_mb: settings.memory_budget_mb * percent / 100,
                sandboxes: u32::try_from(sandboxes).unwrap_or(u32::MAX),
            },
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
        let need = Need { memory_mb, sandboxes: 1 };
        if owner.is_some_and(|key| !self.is_in_share(&held, key.project, need)) {
            return Err(Short::Share);
        }
        if !self.fits(&held, need) {
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

    /// There is a project to share with, or it is gone.
    pub fn share(&self, project: ProjectId, is_there: bool) {
        let mut held = self.held.lock();
        if is_there {
            held.tenants.insert(project);
        } else {
            held.tenants.remove(&project);
        }
    }

    /// Whether a project may hold this much more.
    pub fn may_hold(&self, project: ProjectId, need: Need) -> bool {
        self.is_in_share(&self.held.lock(), project, need)
    }

    /// How much of `need` a project has neither left of its share nor is about to.
    pub fn missing_of_share(&self, project: ProjectId, need: Need) -> Need {
        let held = self.held.lock();
        let Some(of) = held.projects.get(&project).filter(|_| held.tenants.len() > 1) else {
            return Need::default();
        };
        let (memory_mb, sandboxes) =
            (of.held.memory_mb - of.draining.memory_mb, of.held.sandboxes - of.draining.sandboxes);
        if sandboxes == 0 {
            return Need::default();
        }
        Need {
            memory_mb: (memory_mb + need.memory_mb).saturating_sub(self.share.memory_mb),
            sandboxes: (sandboxes + need.sandboxes).saturating_sub(self.share.sandboxes),
        }
    }

    /// What one key holds, those that are being killed included.
    pub fn of_key(&self, key: &TargetKey) -> Need {
        self.held.lock().keys.get(key).copied().unwrap_or_default()
    }

    /// What one project holds, those that are being killed included.
    pub fn of_project(&self, project: ProjectId) -> Need {
        self.held.lock().projects.get(&project).map(|of| of.held).unwrap_or_default()
    }

    pub fn totals(&self) -> Totals {
        let held = self.held.lock();
        Totals { memory_mb: held.memory_mb, sandboxes: held.sandboxes, draining: held.draining.sandboxes }
    }

    /// Starts under way.
    pub fn starting(&self) -> u32 {
        self.held.lock().starting
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

    /// A project without any sandbox may have one, however large.
    fn is_in_share(&self, held: &Held, project: ProjectId, need: Need) -> bool {
        let Some(of) = held.projects.get(&project).filter(|_| held.tenants.len() > 1) else { return true };
        let mut then = of.held;
        then.add(need);
        self.share.covers(then)
    }

    fn fits(&self, held: &Held, need: Need) -> bool {
        held.memory_mb + need.memory_mb <= self.memory_mb && held.sandboxes + need.sandboxes <= self.sandboxes
    }
}

impl Held {
    fn own(&mut self, owner: Option<TargetKey>, memory_mb: u64) {
        let Some(key) = owner else { return };
        let need = Need { memory_mb, sandboxes: 1 };
        self.keys.entry(key).or_default().add(need);
        self.projects.entry(key.project).or_default().held.add(need);
    }

    fn disown(&mut self, owner: Option<TargetKey>, memory_mb: u64) {
        let Some(key) = owner else { return };
        let need = Need { memory_mb, sandboxes: 1 };
        if let Some(held) = self.keys.get_mut(&key) {
            held.sub(need);
            if held.sandboxes == 0 {
                self.keys.remove(&key);
            }
        }
        if let Some(of) = self.projects.get_mut(&key.project) {
            of.held.sub(need);
            if of.held.sandboxes == 0 {
                self.projects.remove(&key.project);
            }
        }
    }

    fn leave(&mut self, stage: Stage, owner: Option<TargetKey>, memory_mb: u64) {
        match stage {
            Stage::Starting => self.starting -= 1,
            Stage::Standing => {}
            Stage::Draining => self.drains(owner, |draining| draining.sub(Need { memory_mb, sandboxes: 1 })),
        }
    }

    /// Changes what is about to be free, in all and of the project.
    fn drains(&mut self, owner: Option<TargetKey>, change: impl Fn(&mut Need)) {
        change(&mut self.draining);
        if let Some(of) = owner.and_then(|key| self.projects.get_mut(&key.project)) {
            change(&mut of.draining);
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
        self.budget.held.lock().leave(self.stage, self.owner, self.memory_mb);
        self.stage = Stage::Standing;
    }

    /// The kill begins: what it holds is about to be free.
    pub fn drain(&mut self) {
        let mut held = self.budget.held.lock();
        held.leave(self.stage, self.owner, self.memory_mb);
        let need = Need { memory_mb: self.memory_mb, sandboxes: 1 };
        held.drains(self.owner, |draining| draining.add(need));
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
        held.leave(self.stage, self.owner, self.memory_mb);
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
mod tests;
