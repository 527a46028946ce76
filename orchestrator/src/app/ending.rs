//! How the service is told to end, and how long what runs may go on.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long what was broken off may take to be answered, recorded and removed.
pub const BREAK_OFF: Duration = Duration::from_secs(1);

/// The two steps of an end. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Cancelled when the service begins to end: no new work.
    pub closing: CancellationToken,
    /// Cancelled when what runs is not waited for any more.
    pub cutoff: CancellationToken,
    /// When the grace is over; none before the service began to end.
    deadline: Arc<Mutex<Option<Instant>>>,
}

impl Ending {
    /// A service that goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next step: first the end begins, then it is hurried.
    pub fn next(&self) {
        if self.closing.is_cancelled() {
            self.cutoff.cancel();
        } else {
            self.closing.cancel();
        }
    }

    /// The end has begun: what runs has this long from now.
    pub fn begin(&self, grace: Duration) {
        *self.deadline.lock() = Some(Instant::now() + grace);
    }

    /// Waits for `work` as long as there is time for it; none where it is over.
    pub async fn patience<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let deadline = self.deadline();
        tokio::select! {
            biased;
            done = timeout_at(deadline, work) => done.ok(),
            () = self.cutoff.cancelled() => None,
        }
    }

    /// Until when what runs may go on.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let now = Instant::now();
        if self.cutoff.is_cancelled() { now } else { self.deadline.lock().unwrap_or(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_has_the_grace_and_a_second_step_ends_it() {
        let ending = Ending::new();
        ending.next();
        ending.begin(Duration::from_secs(10));
        let sleep = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        assert_eq!(ending.patience(sleep(4)).await, Some(()));
        assert_eq!(ending.patience(sleep(7)).await, None, "one grace for everything");

        let ending = Ending::new();
        ending.next();
        ending.begin(Duration::from_secs(10));
        let hurried = ending.clone();
        tokio::spawn(async move {
            sleep(1).await;
            hurried.next();
        });
        let began = Instant::now();
        assert_eq!(ending.patience(sleep(9)).await, None);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert_eq!(ending.deadline(), Instant::now());
    }
}
