//! What is made in the background: it comes to its end where its caller gives up, and whoever closes a driver waits for it.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::error::Error;

/// Runs what makes something to its end, whether or not somebody waits.
#[derive(Clone, Debug)]
pub struct Makings {
    tasks: TaskTracker,
    /// Whoever begins may be on a thread that has no runtime.
    runtime: Handle,
}

impl Makings {
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
        // It goes with what was made, and after it: a tracker's own tasks have ended before their outcome is dropped, and
        // the end of a dropped sandbox would have nobody who waits for it.
        let token = self.tasks.token();
        let task = self.runtime.spawn(async move { (making.await, token) });
        async move { task.await.map(|(made, _token)| made).map_err(|_| Error::Gone) }
    }

    /// Waits until all is handed over or dropped.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Default for Makings {
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
        let (makings, is_gone) = (Makings::new(), Arc::new(AtomicBool::new(false)));
        let slow = Slow(Arc::clone(&is_gone));
        drop(makings.run(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            slow
        }));
        makings.wait().await;
        assert!(is_gone.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn what_is_made_is_handed_over() {
        let makings = Makings::new();
        assert!(matches!(makings.run(async { 7 }).await, Ok(7)));
        let panicked = makings.run(async { panic!("on purpose") });
        assert!(matches!(panicked.await, Err::<(), _>(Error::Gone)));
        makings.wait().await;
    }
}
