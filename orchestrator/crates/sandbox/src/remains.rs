//! What is left of a sandbox to be removed: the same for both drivers, but for a part of their own.

use std::sync::Arc;

use async_trait::async_trait;
use cloudbox_cgroup::Cgroup;

use crate::SandboxId;
use crate::run_dir::RunDir;
use crate::slot::Slot;

/// What a driver alone knows of its sandbox.
#[async_trait]
pub trait Cell: Send + Sync {
    /// Removes what the driver made: the container, or the init's process and the cgroup. Called once, when the
    /// cgroup's processes were sent `SIGKILL`.
    async fn remove(&mut self);
}

/// All that is needed of a sandbox to end it.
pub struct Remains {
    /// Its name.
    pub id: SandboxId,
    /// Where its folder is.
    pub run_dir: Arc<RunDir>,
    /// Its code's place.
    pub slot: Slot,
    /// Its processes.
    pub cgroup: Arc<dyn Cgroup>,
    /// The driver's part.
    pub cell: Box<dyn Cell>,
}

impl Remains {
    /// Ends every process and removes everything.
    pub async fn remove(mut self) {
        if let Err(error) = cloudbox_cgroup::end(self.cgroup.as_ref()).await {
            tracing::warn!(sandbox.id = %self.id, %error, "a sandbox's processes do not end");
        }
        self.cell.remove().await;
        self.slot.detach();
        if let Err(error) = self.run_dir.remove_sandbox(&self.id) {
            tracing::warn!(sandbox.id = %self.id, %error, "a sandbox's folder is left");
        }
    }
}
