//! What the calls of a shared sandbox have of it, while its owner holds the rest.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use cloudbox_cgroup::Cgroup;
use cloudbox_egress::Outlet;
use cloudbox_protocol::channel::Several;
use cloudbox_protocol::{Answer, Reply, Request};
use cloudbox_types::Attempts;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::explain::{Told, has_oom_kills, is_of_memory, told_end};
use super::has_survivors;
use super::meter::Meter;
use crate::link::Control;
use crate::{Error, SandboxFault, SandboxFaultKind, SandboxId, SharedSandbox, Stats};

/// A sandbox as its calls see it.
pub(super) struct Sharing {
    id: SandboxId,
    several: Several,
    control: Arc<Mutex<Control>>,
    /// What the init said of the runtime's end: once, and all calls are to know.
    told: Mutex<Option<Told>>,
    cgroup: Arc<dyn Cgroup>,
    /// It ends with the sandbox.
    outlet: Option<Weak<Outlet>>,
    meter: Meter,
}

/// A call that runs, as the meter counts it.
struct Metered<'s>(&'s Sharing);

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.0.meter.end(self.0.counted());
    }
}

impl Sharing {
    pub(super) fn new(
        id: SandboxId,
        several: Several,
        control: Arc<Mutex<Control>>,
        cgroup: Arc<dyn Cgroup>,
        outlet: Option<Weak<Outlet>>,
    ) -> Self {
        Self { id, several, control, told: Mutex::new(None), cgroup, outlet, meter: Meter::default() }
    }

    pub(super) const fn seats(&self) -> u32 {
        self.several.seats()
    }

    pub(super) fn close(&self) {
        self.several.close();
    }

    fn counted(&self) -> u64 {
        self.cgroup.cpu_us().unwrap_or_default()
    }

    async fn explain(&self, mut fault: SandboxFault) -> SandboxFault {
        self.close();
        if is_of_memory(&fault.kind, self.cgroup.as_ref()) {
            fault.kind = SandboxFaultKind::OutOfMemory;
        } else if matches!(fault.kind, SandboxFaultKind::Exited { .. }) {
            let mut told = self.told.lock().await;
            let told = match *told {
                Some(told) => told,
                None => {
                    let end = told_end(&mut *self.control.lock().await).await;
                    *told.insert(end)
                }
            };
            fault.kind = told.kind(self.cgroup.as_ref());
        }
        fault
    }
}

#[async_trait]
impl SharedSandbox for Sharing {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    async fn exchange(&self, request: Request, deadline: Instant) -> Result<Reply<Answer>, SandboxFault> {
        self.meter.begin(self.counted());
        let metered = Metered(self);
        let outcome = self.several.invoke(request, deadline).await;
        drop(metered);
        let reply = match outcome {
            Ok(reply) => reply,
            Err(fault) => return Err(self.explain(SandboxFault::from_channel(fault)).await),
        };
        if has_oom_kills(self.cgroup.as_ref()) {
            self.close();
            return Err(SandboxFault { kind: SandboxFaultKind::OutOfMemory, logs: reply.logs });
        }
        if has_survivors(&reply.answer) {
            self.close();
        }
        Ok(reply)
    }

    fn is_clean(&self) -> bool {
        self.several.is_clean()
    }

    fn take_attempts(&self) -> Attempts {
        let outlet = self.outlet.as_ref().and_then(Weak::upgrade);
        outlet.map(|outlet| outlet.take()).unwrap_or_default()
    }

    fn stats(&self) -> Result<Stats, Error> {
        let stats = self.cgroup.stats()?;
        Ok(Stats { cpu_us: self.meter.share(stats.cpu_us), ..stats })
    }

    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(self.meter.share(self.cgroup.cpu_us()?))
    }
}
