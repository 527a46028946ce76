//! A call that ends even where nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs where it is awaited, which costs no task and no wake-up. Dropped before its end, it goes on as a task.
struct Surviving<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Surviving<T> {
    const fn new(future: BoxFuture<'static, T>) -> Self {
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

/// What an answer begins with, where it is streamed; else how the call ended. It goes on where this is dropped.
pub(super) async fn beginning_or_end<O, T: Send + 'static>(
    mut opened: oneshot::Receiver<O>,
    running: BoxFuture<'static, T>,
) -> Result<O, T> {
    // The call first: asked first, the other would be told that nothing comes by a call that ends at once, which wakes the
    // task that runs just now, and with it another thread, for which there is nothing to do.
    let ended = tokio::select! {
        biased;
        ended = Surviving::new(running) => ended,
        Ok(begun) = &mut opened => return Ok(begun),
    };
    // It may have begun and ended in one go: what has begun is in the pieces.
    opened.try_recv().map_err(|_| ended)
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
    async fn what_begins_and_ends_in_one_go_has_begun() {
        let (begin, opened) = oneshot::channel();
        let running = Box::pin(async move { begin.send("begun").map_or("unheard", |()| "ended") });
        assert_eq!(beginning_or_end(opened, running).await, Ok("begun"));

        let (begin, opened) = oneshot::channel::<&str>();
        let running = Box::pin(async move {
            drop(begin);
            "ended"
        });
        assert_eq!(beginning_or_end(opened, running).await, Err("ended"));
    }

    #[tokio::test]
    async fn what_is_awaited_gives_its_value() {
        assert_eq!(Surviving::new(Box::pin(async { 7 })).await, 7);
    }
}
