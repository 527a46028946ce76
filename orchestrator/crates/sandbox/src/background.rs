//! What a driver makes and ends in the background: each comes to its end where its caller gives up, and whoever closes the
//! driver waits for it.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::error::Error;
use crate::remains::Remains;

/// Runs what makes or ends something to its end, whether or not somebody waits.
#[derive(Clone, Debug)]
pub struct Background {
    tasks: TaskTracker,
    /// A sandbox may be dropped on a thread that has no runtime.
    runtime: Handle,
}

impl Background {
    /// On the runtime that this is called on.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Begins at once; the future waits for what is made, and may be dropped: what nobody takes is dropped, too.
    ///
    /// # Errors
    /// [`Error::Gone`]: it was broken off, by a panic or the end of the runtime.
    pub fn run<M>(&self, making: M) -> impl Future<Output = Result<M::Output, Error>> + Send + use<M>
    where
        M: Future<Output: Send + 'static> + Send + 'static,
    {
        let task = self.begin(making);
        async move { task.await.map(|(made, _token)| made).map_err(|_| Error::Gone) }
    }

    /// Begins the end of a sandbox; the future waits for it, and may be dropped.
    pub fn kill(&self, remains: Remains) -> impl Future<Output = ()> + Send + use<> {
        let task = self.begin(remains.remove());
        async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "a kill was broken off");
            }
        }
    }

    /// The token goes with the outcome, and after it: a tracker's own tasks have ended before their outcome is dropped, and
    /// the end of a dropped sandbox would have nobody who waits for it.
    fn begin<M>(&self, work: M) -> JoinHandle<(M::Output, TaskTrackerToken)>
    where
        M: Future<Output: Send + 'static> + Send + 'static,
    {
        let token = self.tasks.token();
        self.runtime.spawn(async move { (work.await, token) })
    }

    /// Waits until all is handed over or dropped, and every kill has ended.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Default for Background {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    /// Takes its time to go.
    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        #[expect(clippy::disallowed_methods, reason = "a drop waits for nothing else")]
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(100));
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_takes_is_gone_when_the_wait_ends() {
        let (background, is_gone) = (Background::new(), Arc::new(AtomicBool::new(false)));
        let slow = Slow(Arc::clone(&is_gone));
        drop(background.run(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            slow
        }));
        background.wait().await;
        assert!(is_gone.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn what_is_made_is_handed_over() {
        let background = Background::new();
        assert!(matches!(background.run(async { 7 }).await, Ok(7)));
        let panicked = background.run(async { panic!("on purpose") });
        assert!(matches!(panicked.await, Err::<(), _>(Error::Gone)));
        background.wait().await;
    }
}
