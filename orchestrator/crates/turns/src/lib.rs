//! Tasks that take turns, so that those that are ready at once go step by step together.
//!
//! A call's way is a hundred thousand instructions, most of which are run once for it. By its end a processor's nearest caches
//! have nothing left of its beginning, which the next call then reads anew from further away. So where several calls are ready,
//! all of them come as far as the first step goes, then all as far as the second: what one of them has just run is near for the
//! next one, and so is the runtime that serves them one after the other.

mod task;

use std::sync::atomic::{AtomicUsize, Ordering};

pub use task::Task;

/// Tasks that have something to do and no thread, in all of the process: woken, or at the end of a step.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The end of a step: where other tasks wait for a thread, they have it before the caller goes on, once.
pub async fn step() {
    if WAITING.load(Ordering::Relaxed) > 0 {
        let _waiting = Waiting::begin();
        task::forget_wakes();
        tokio::task::yield_now().await;
    }
}

/// Counted as long as it lives.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}
