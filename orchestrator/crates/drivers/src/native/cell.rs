//! The native driver's part of a sandbox: its process, its cgroup, its user.

use std::collections::HashSet;
use std::process::Child;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use cloudbox_cgroup::Cgroup;
use cloudbox_sandbox::SandboxId;
use cloudbox_sandbox::handover::Lent;
use cloudbox_sandbox::remains::Cell;
use cloudbox_sandbox::uids::Uid;

/// What is released at the end of a sandbox.
pub(super) struct InitCell {
    pub(super) id: SandboxId,
    pub(super) cgroup: Arc<dyn Cgroup>,
    pub(super) held: Arc<Mutex<Held>>,
    pub(super) uid: Option<Uid>,
    pub(super) alive: Arc<Mutex<HashSet<SandboxId>>>,
}

/// What is added while a sandbox comes up, and must be released even if that fails half way.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its init, to be waited for.
    pub(super) child: Option<Child>,
    /// A folder to be taken back.
    pub(super) lent: Option<Lent>,
}

#[async_trait]
impl Cell for InitCell {
    async fn remove(&mut self) {
        let Held { child, lent } = std::mem::take(&mut *self.held.lock());
        if let Some(mut child) = child {
            // Ours and not yet waited for, so the id is still its own.
            let ended = move || child.kill().and_then(|()| child.wait());
            if let Ok(Err(error)) = tokio::task::spawn_blocking(ended).await {
                tracing::warn!(sandbox.id = %self.id, %error, "a sandbox's init can't be waited for");
            }
        }
        if let Err(error) = self.cgroup.remove() {
            tracing::warn!(sandbox.id = %self.id, %error, "a sandbox's cgroup is left");
        }
        if let Some(lent) = lent {
            lent.take_back().await;
        }
        self.uid = None;
        self.alive.lock().remove(&self.id);
    }
}
