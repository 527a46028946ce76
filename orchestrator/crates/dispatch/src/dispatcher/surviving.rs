//! A call that ends even where nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs where it is awaited, which costs no task and no wake-up. Dropped before its end, it goes on as a task.
pub(super) struct Surviving<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Surviving<T> {
    pub(super) const fn new(future: BoxFuture<'static, T>) -> Self {
        Self(Some(future))
    }
}

impl<T: Send + 'static> Future for Surviving<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // A finished future is not asked again.
        let Some(running) = self.0.as_mut() else { return Poll::Pending };
        let polled = running.poll_unpin(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Surviving<T> {
    fn drop(&mut self) {
        // Without a runtime nothing can end any more.
        if let (Some(running), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(running));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_half_way_comes_to_its_end() {
        let (ended, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let begin = || {
            let (ended, go) = (Arc::clone(&ended), Arc::clone(&go));
            Surviving::new(Box::pin(async move {
                go.notified().await;
                ended.fetch_add(1, Ordering::Relaxed)
            }))
        };
        drop(begin());
        let mut polled = begin();
        assert_eq!((&mut polled).now_or_never(), None);
        drop(polled);
        while Arc::strong_count(&ended) > 1 {
            go.notify_waiters();
            tokio::task::yield_now().await;
        }
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_awaited_gives_its_value() {
        assert_eq!(Surviving::new(Box::pin(async { 7 })).await, 7);
    }
}
