//! The kills that run in the background: whoever closes a driver waits for them.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::remains::Remains;

/// Runs kills to their end, whether or not somebody waits.
#[derive(Clone, Debug)]
pub struct Kills {
    tasks: TaskTracker,
    /// A sandbox may be dropped on a thread that has no runtime.
    runtime: Handle,
}

impl Kills {
    /// On the runtime that this is called on.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Starts the end of a sandbox; the future waits for it, and may be dropped.
    pub fn run(&self, remains: Remains) -> impl Future<Output = ()> + Send + use<> {
        let task = self.tasks.spawn_on(remains.remove(), &self.runtime);
        async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "a kill was broken off");
            }
        }
    }

    /// Waits until none is left.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Default for Kills {
    fn default() -> Self {
        Self::new()
    }
}
