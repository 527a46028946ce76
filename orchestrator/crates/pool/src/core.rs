//! The state behind its lock, and the tasks that do what was decided under it.

use std::sync::Arc;

use cloudbox_sandbox::{Error, LaunchError, SandboxDriver};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Budget;
use crate::effects::{Doomed, Effects, RefillPlan, RenewalPlan, StartPlan};
use crate::settings::Settings;
use crate::slot::Slot;
use crate::spares::{KindId, Spare};
use crate::start::{bring_up, bring_up_spare};
use crate::state::{State, Watch};
use crate::target::TargetKey;

/// What the pool, its leases and its tasks share.
pub(crate) struct Core {
    pub settings: Arc<Settings>,
    pub budget: Arc<Budget>,
    /// No more leases, and no more back-off timers.
    pub closing: CancellationToken,
    /// Running exchanges are broken off.
    pub cutoff: CancellationToken,
    pub tracker: TaskTracker,
    driver: Arc<dyn SandboxDriver>,
    /// Leases are dropped anywhere, and what follows needs the runtime.
    handle: Handle,
    state: Mutex<State>,
}

impl Core {
    /// Must be called within a tokio runtime.
    pub fn new(driver: Arc<dyn SandboxDriver>, settings: Settings) -> Arc<Self> {
        let settings = Arc::new(settings);
        let budget = Budget::new(&settings);
        Arc::new(Self {
            state: Mutex::new(State::new(
                Arc::clone(&settings),
                Arc::clone(&budget),
                !driver.can_resize_tmp(),
            )),
            settings,
            budget,
            closing: CancellationToken::new(),
            cutoff: CancellationToken::new(),
            tracker: TaskTracker::new(),
            driver,
            handle: Handle::current(),
        })
    }

    /// Changes the state, then does what follows from that.
    pub fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, Instant, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let now = Instant::now();
        let value = change(&mut self.state.lock(), now, &mut effects);
        self.apply(effects);
        value
    }

    fn apply(self: &Arc<Self>, effects: Effects) {
        for plan in effects.starts {
            self.spawn(Self::start(Arc::clone(self), plan));
        }
        for plan in effects.refills {
            self.spawn(Self::refill(Arc::clone(self), plan));
        }
        for plan in effects.renewals {
            self.spawn(Self::renew(Arc::clone(self), plan));
        }
        if effects.watches_idle {
            self.spawn(Self::freeze_idle(Arc::clone(self)));
        }
        for doomed in effects.kills {
            self.spawn(Self::kill(Arc::clone(self), doomed));
        }
        for (until, key) in effects.timers {
            self.spawn(Self::look_again(Arc::clone(self), until, key));
        }
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(task, &self.handle);
    }

    async fn start(self: Arc<Self>, plan: StartPlan) {
        let StartPlan { target, permit, spare } = plan;
        let pending = Pending::new(&self, What::Version(target.key));
        let deadline = pending.began + self.settings.start_timeout;
        match bring_up(self.driver.as_ref(), &target, spare, deadline).await {
            Ok((sandbox, logs)) => {
                let now = Instant::now();
                let slot = Slot::new(sandbox, permit, logs, target.launch.after_call, now);
                let slot = Slot { load_time: now.duration_since(pending.began), ..slot };
                pending.done();
                self.with(|state, now, effects| state.started(target.key, slot, now, effects));
            }
            Err(error) => {
                drop(permit);
                pending.failed(error);
            }
        }
    }

    async fn renew(self: Arc<Self>, plan: RenewalPlan) {
        let RenewalPlan { target, mut slot } = plan;
        let pending = Pending::new(&self, What::Version(target.key));
        let began = pending.began;
        let deadline = began + self.settings.start_timeout;
        let renewed = target.launch.renew(slot.sandbox.as_mut(), deadline).await;
        pending.done();
        self.with(|state, now, effects| match renewed {
            Ok(logs) => state.renewed(target.key, slot, logs, now, effects),
            Err(error) => state.renewal_failed(target.key, slot, error, began, now, effects),
        });
    }

    /// Freezes what stays idle, until every idle sandbox is frozen.
    async fn freeze_idle(self: Arc<Self>) {
        let mut pause = self.settings.freeze_after;
        while self.closing.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            match self.with(State::freeze_idle) {
                Watch::Over => return,
                Watch::Later => pause = self.settings.freeze_after,
                Watch::Now => pause = std::time::Duration::ZERO,
            }
        }
    }

    async fn refill(self: Arc<Self>, plan: RefillPlan) {
        let RefillPlan { kind, spec, permit } = plan;
        let pending = Pending::new(&self, What::Spare(kind));
        let deadline = pending.began + self.settings.start_timeout;
        match bring_up_spare(self.driver.as_ref(), &spec, deadline).await {
            Ok(sandbox) => {
                let spare = Spare { sandbox, permit, born: Instant::now() };
                pending.done();
                self.with(|state, now, effects| state.refilled(kind, spare, now, effects));
            }
            Err(error) => {
                drop(permit);
                tracing::warn!(rootfs.name = spec.rootfs.name, error = ?error, "a spare did not start");
                pending.failed(error);
            }
        }
    }

    async fn kill(self: Arc<Self>, doomed: Doomed) {
        let Doomed { key, mut sandbox, permit } = doomed;
        sandbox.kill().await;
        drop(sandbox);
        drop(permit);
        self.with(|state, now, effects| state.freed(key, now, effects));
    }

    async fn look_again(self: Arc<Self>, until: Instant, key: Option<TargetKey>) {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {
                self.with(|state, now, effects| state.freed(key, now, effects));
            }
            () = self.closing.cancelled() => {}
        }
    }
}

/// A start that is counted. One that is dropped before its end, by a panic of the driver, counts as failed.
struct Pending<'a> {
    core: &'a Arc<Core>,
    what: What,
    began: Instant,
    is_settled: bool,
}

#[derive(Clone, Copy)]
enum What {
    Version(TargetKey),
    Spare(KindId),
}

impl<'a> Pending<'a> {
    fn new(core: &'a Arc<Core>, what: What) -> Self {
        Self { core, what, began: Instant::now(), is_settled: false }
    }

    fn done(mut self) {
        self.is_settled = true;
    }

    fn failed(mut self, error: LaunchError) {
        self.fail(error);
    }

    fn fail(&mut self, error: LaunchError) {
        self.is_settled = true;
        let (what, began) = (self.what, self.began);
        self.core.with(|state, now, effects| match what {
            What::Version(key) => state.start_failed(key, error, began, now, effects),
            What::Spare(kind) => state.refill_failed(kind, &error, began, now, effects),
        });
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.fail(Error::Gone.into());
        }
    }
}
