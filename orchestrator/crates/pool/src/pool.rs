//! The pool as the dispatcher sees it.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cloudbox_sandbox::SandboxDriver;
use cloudbox_types::{FunctionId, ProjectId, Scale};
use tokio::time::{Instant, interval, timeout, timeout_at};

use crate::core::Core;
use crate::error::LeaseError;
use crate::lease::Lease;
use crate::settings::Settings;
use crate::snapshot::{Instances, Snapshot};
use crate::spare_spec::SpareSpec;
use crate::state::State;
use crate::target::{Target, TargetKey};

/// How often idle times and ages are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a drain waits, after its deadline, for leases to come back and for kills to end.
const KILL_GRACE: Duration = Duration::from_secs(30);

/// Sandboxes for calls.
pub struct Pool {
    core: Arc<Core>,
}

impl Pool {
    /// A pool over one driver; starts its spares. Must be called within a tokio runtime.
    pub fn open(driver: Arc<dyn SandboxDriver>, settings: Settings) -> Arc<Self> {
        let spares = settings.spares.clone();
        let pool = Arc::new(Self { core: Core::new(driver, settings) });
        let core = &pool.core;
        core.spawn(sweep(Arc::downgrade(core), core.closing.clone()));
        pool.set_spares(spares);
        pool
    }

    /// A sandbox with this version's code loaded: an idle one, else the first of the function's that becomes free or
    /// has started. A caller that drops the future leaves nothing behind.
    ///
    /// # Errors
    /// There is no room, the version does not come up, or the pool is being drained.
    pub async fn lease(self: &Arc<Self>, target: &Arc<Target>) -> Result<Lease, LeaseError> {
        Lease::acquire(&self.core, target).await
    }

    /// A function has other versions, other settings, or is gone. Its idle sandboxes of other keys than those in `keep`
    /// end now, busy ones with their calls. Calls that wait for such a key are still served by a sandbox of that key.
    /// A lease of a target that was made later takes the retirement of its key back.
    pub fn retire(&self, function: FunctionId, keep: &[TargetKey]) {
        self.core.with(|state, now, effects| state.retire(function, keep, now, effects));
    }

    /// Holds no spare any more whose root has none of these digests: nothing new starts from it.
    pub fn retain_roots(self: &Arc<Self>, digests: &BTreeSet<String>) {
        self.core.with(|state, _, effects| state.retain_roots(digests, effects));
    }

    /// A version is going to be called: a spare that it can be loaded into is held from now on, where none was.
    pub fn foresee(self: &Arc<Self>, target: &Arc<Target>) {
        self.core.with(|state, now, effects| state.foresee(target, now, effects));
    }

    /// Holds `min_instances` sandboxes of this version up, until it is retired. Called again: the new count.
    pub fn keep_warm(self: &Arc<Self>, target: &Arc<Target>) {
        self.core.with(|state, now, effects| state.keep_warm(target, now, effects));
    }

    /// A function may have another number of sandboxes. Idle ones that are too many end now, busy ones with their calls.
    /// Those that [`Pool::keep_warm`] holds become fewer, not more: it is to be called where more are wanted.
    pub fn scale(&self, function: FunctionId, scale: Scale) {
        self.core.with(|state, now, effects| state.scale(function, scale, now, effects));
    }

    /// The sandboxes of a function at this moment, by version, in no order.
    #[must_use]
    pub fn instances(&self, function: FunctionId) -> Vec<Instances> {
        self.core.with(|state, _, _| state.instances(function))
    }

    /// A project has functions that can be called, or is gone: while there are several, each may hold its share.
    pub fn share(&self, project: ProjectId, is_there: bool) {
        self.core.with(|state, now, effects| state.share(project, is_there, now, effects));
    }

    /// Replaces the generic sandboxes to hold ready; they are refilled in the background.
    pub fn set_spares(self: &Arc<Self>, spares: Vec<SpareSpec>) {
        self.core.with(|state, now, effects| state.set_spares(spares, now, effects));
    }

    /// Ends it all: no new leases, calls that wait fail, running ones may go on until `deadline` and are broken off
    /// then. Returns when every sandbox is killed. A second drain waits too.
    pub async fn drain(&self, deadline: Instant) {
        let core = &self.core;
        core.closing.cancel();
        core.with(State::close);
        let is_empty = timeout_at(deadline, core.budget.emptied()).await.is_ok();
        if !is_empty {
            core.cutoff.cancel();
            if timeout(KILL_GRACE, core.budget.emptied()).await.is_err() {
                let left = core.budget.totals().sandboxes;
                tracing::error!(sandboxes.left = left, "sandboxes are left after the drain");
                return;
            }
        }
        core.tracker.close();
        core.tracker.wait().await;
    }

    /// The figures of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.core.with(|state, _, _| state.snapshot())
    }
}

/// Holds the pool only while it looks, so that a pool that is dropped ends.
async fn sweep(core: Weak<Core>, closing: tokio_util::sync::CancellationToken) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while closing.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(core) = core.upgrade() else { return };
        core.with(State::sweep);
    }
}
