//! What runs in a sandbox between two calls, and whether a call has left more.

use std::time::Duration;

use cloudbox_cgroup::Cgroup;
use cloudbox_protocol::control::{FromInit, ToInit};
use tokio::time::{Instant, sleep, timeout_at};

use crate::Error;
use crate::link::Control;

/// How often it is looked whether what is ending has ended.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// How long the init may take to count: it does nothing else.
const COUNTED_WITHIN: Duration = Duration::from_secs(2);

/// The tasks and processes of a sandbox that waits for a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idle {
    /// Threads included, as the cgroup counts them.
    tasks: u32,
    /// As the init and the cgroup count them, whichever finds more: one that hides its entry in `/proc` is in its cgroup
    /// all the same.
    processes: u32,
    /// Whether a further thread is the code's.
    has_fixed_threads: bool,
}

impl Idle {
    /// Before the code is loaded.
    pub(super) const fn new(has_fixed_threads: bool) -> Self {
        Self { tasks: 0, processes: 0, has_fixed_threads }
    }

    /// Takes stock when the code is loaded.
    ///
    /// # Errors
    /// The init or the cgroup is gone.
    pub(super) async fn measure(
        &mut self,
        control: &mut Control,
        cgroup: &dyn Cgroup,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.processes = timeout_at(deadline, count(control, cgroup)).await.map_err(|_| Error::Gone)??;
        self.tasks = cgroup.tasks()?;
        Ok(())
    }

    /// Whether nothing more runs than then. One read of a counter, where that is so; `patience` is for what is ending.
    pub(super) async fn is_restored(
        &mut self,
        control: &mut Control,
        cgroup: &dyn Cgroup,
        patience: Duration,
    ) -> bool {
        let has_more = |idle: &Self| cgroup.tasks().is_ok_and(|tasks| tasks > idle.tasks);
        if !has_more(self) {
            return true;
        }
        let until = Instant::now() + patience;
        loop {
            // The init takes away what has ended before it counts.
            let counted = timeout_at(Instant::now() + COUNTED_WITHIN, count(control, cgroup)).await;
            let Ok(Ok(processes)) = counted else { return false };
            if processes <= self.processes && !self.has_fixed_threads {
                self.tasks = cgroup.tasks().map_or(self.tasks, |tasks| tasks.max(self.tasks));
                return true;
            }
            if !has_more(self) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Has the init take away what has ended and count, then counts from outside.
async fn count(control: &mut Control, cgroup: &dyn Cgroup) -> Result<u32, Error> {
    control.send(&ToInit::Processes).await?;
    match control.receive().await? {
        FromInit::Processes { count } => {
            let grouped = u32::try_from(cgroup.processes().len()).unwrap_or(u32::MAX);
            Ok(grouped.max(count))
        }
        // The runtime ended.
        _ => Err(Error::Gone),
    }
}
