//! What is to be done once the lock is given back.

use std::sync::Arc;

use cloudbox_sandbox::Sandbox;
use tokio::time::Instant;

use crate::budget::Permit;
use crate::slot::Slot;
use crate::spare_spec::SpareSpec;
use crate::spares::{KindId, Spare};
use crate::target::{Target, TargetKey};

/// Decided under the lock, done after it.
#[derive(Default)]
#[must_use]
pub(crate) struct Effects {
    pub starts: Vec<StartPlan>,
    pub refills: Vec<RefillPlan>,
    pub renewals: Vec<RenewalPlan>,
    pub kills: Vec<Doomed>,
    /// Whether idle sandboxes are to be frozen in a while, and nobody watches them yet.
    pub watches_idle: bool,
    /// When to look again whether a key may start.
    pub timers: Vec<(Instant, Option<TargetKey>)>,
}

/// A start that has its permit.
pub(crate) struct StartPlan {
    pub target: Arc<Target>,
    pub permit: Permit,
    pub spare: Option<Box<dyn Sandbox>>,
}

/// A start of a spare that has its permit.
pub(crate) struct RefillPlan {
    pub kind: KindId,
    pub spec: Arc<SpareSpec>,
    pub permit: Permit,
}

/// A sandbox that is made ready for the next call.
pub(crate) struct RenewalPlan {
    pub target: Arc<Target>,
    pub slot: Slot,
}

/// A sandbox that is of no further use.
pub(crate) struct Doomed {
    pub key: Option<TargetKey>,
    pub sandbox: Box<dyn Sandbox>,
    pub permit: Permit,
}

impl Effects {
    pub fn kill(&mut self, key: TargetKey, slot: Slot) {
        self.doom(Some(key), slot.sandbox, slot.permit);
    }

    pub fn kill_spare(&mut self, spare: Spare) {
        self.doom(None, spare.sandbox, spare.permit);
    }

    fn doom(&mut self, key: Option<TargetKey>, sandbox: Box<dyn Sandbox>, mut permit: Permit) {
        permit.drain();
        self.kills.push(Doomed { key, sandbox, permit });
    }
}
