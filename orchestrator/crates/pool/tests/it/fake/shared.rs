//! A fake sandbox as the calls see it that share it.

use std::sync::Arc;

use async_trait::async_trait;
use cloudbox_protocol::{Answer, Logs, Reply, Request};
use cloudbox_sandbox::{Error, SandboxFault, SandboxId, SharedSandbox, Stats};
use tokio::time::Instant;

use super::Desk;
use super::sandbox::{EXITED, answer};

pub(super) struct FakeShared {
    pub(super) id: SandboxId,
    pub(super) index: usize,
    pub(super) desk: Arc<Desk>,
}

/// A call that runs, as the book counts it.
struct Counted<'s>(&'s FakeShared);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.desk.entry(self.0.index, |entry| entry.sharing -= 1);
    }
}

#[async_trait]
impl SharedSandbox for FakeShared {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    async fn exchange(
        &self,
        Request { invoke, body, .. }: Request,
        deadline: Instant,
    ) -> Result<Reply<Answer>, SandboxFault> {
        let may_begin = self.desk.entry(self.index, |entry| entry.is_clean && !entry.is_frozen);
        let outcome = if may_begin {
            self.desk.entry(self.index, |entry| {
                entry.sharing += 1;
                entry.sharing_peak = entry.sharing_peak.max(entry.sharing);
            });
            let _counted = Counted(self);
            answer(&self.desk, self.index, (&invoke.path, body), deadline).await
        } else {
            Err(EXITED)
        };
        outcome.map_err(|kind| {
            self.desk.entry(self.index, |entry| entry.is_clean = false);
            SandboxFault { kind, logs: Logs::new(0) }
        })
    }

    fn is_clean(&self) -> bool {
        self.desk.entry(self.index, |entry| entry.is_clean)
    }

    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats::default())
    }
}
