//! What an earlier life of this instance left: killed by `kill -9`, it could not clean up.

use std::collections::BTreeSet;

use super::Shared;
use cloudbox_sandbox::{Error, SandboxId, SweepReport};

impl Shared {
    /// Removes every cgroup, mount and folder of this instance that is not a living sandbox's. Nothing of another
    /// instance can be met: the cgroups are below the instance's own, and the folder is locked.
    pub(super) async fn remove_leftovers(&self) -> Result<SweepReport, Error> {
        let mut found: BTreeSet<SandboxId> = self.run_dir.sandboxes()?.into_iter().collect();
        if self.has_cgroups {
            found.extend(self.hierarchy.below(&self.parent).into_iter().map(SandboxId));
        }
        let mut report = SweepReport::default();
        for id in found {
            if self.alive.lock().contains(&id) {
                continue;
            }
            match self.remove_leftover(&id).await {
                Ok(()) => report.removed += 1,
                Err(error) => {
                    tracing::warn!(sandbox.id = %id, %error, "a sandbox of an earlier life is left");
                    report.failed += 1;
                }
            }
        }
        self.run_dir.remove_unused_staging()?;
        Ok(report)
    }

    async fn remove_leftover(&self, id: &SandboxId) -> Result<(), Error> {
        if self.has_cgroups {
            let path = format!("{}/{id}", self.parent);
            cloudbox_cgroup::end(self.hierarchy.group(&path).as_ref()).await?;
            self.hierarchy.remove(&path)?;
        }
        self.run_dir.remove_sandbox(id)
    }
}
