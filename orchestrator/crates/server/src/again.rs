//! A task that wakes itself.
//!
//! hyper wakes a connection's task when the body of its request is dropped, which happens while that very task runs. The
//! runtime then puts the task at the end of its queue and, since there is work now, wakes another thread: on an idle CPU that
//! costs more than all of hyper's work on the request. So a wake-up by the task itself is kept from the runtime, and the
//! task is polled again at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Polls in a row before the runtime has its turn: others wait, too.
const MAX_POLLS: u32 = 4;

/// Nobody polls, and nobody has woken it.
const IDLE: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It was woken while it was being polled.
const WOKEN: u8 = 2;

/// A future that may wake itself at little cost.
pub(crate) struct Again<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What the future is woken by.
#[derive(Default)]
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let while_polled = self.state.compare_exchange(POLLED, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if while_polled == Err(IDLE) {
            self.task.wake();
        }
    }
}

impl<F: Future> Again<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::<Bell>::default();
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&bell)), bell }
    }
}

impl<F: Future> Future for Again<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, bell, waker } = &mut *self;
        // Before the first poll, so that no wake-up after it finds nobody.
        bell.task.register(cx.waker());
        for _ in 0..MAX_POLLS {
            bell.state.store(POLLED, Ordering::Release);
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(value);
            }
            if bell.state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Poll::Pending;
            }
        }
        bell.state.store(IDLE, Ordering::Release);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use super::*;

    /// Counts how often the runtime is told.
    #[derive(Default)]
    struct Told(AtomicU32);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes itself as often, then is ready.
    fn restless(times: u32) -> impl Future<Output = u32> {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            if polls > times {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn who_wakes_itself_is_polled_again_at_once() {
        let told = Arc::<Told>::default();
        let waker = Waker::from(Arc::clone(&told));
        let mut again = Again::new(restless(2));
        assert_eq!(Pin::new(&mut again).poll(&mut Context::from_waker(&waker)), Poll::Ready(3));
        assert_eq!(told.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_does_so_without_end_lets_others_have_their_turn() {
        let told = Arc::<Told>::default();
        let waker = Waker::from(Arc::clone(&told));
        let mut again = Again::new(restless(MAX_POLLS + 1));
        assert!(Pin::new(&mut again).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(told.0.load(Ordering::Relaxed), 1);
        assert!(Pin::new(&mut again).poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_others_wake_goes_on() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let receives = tokio::spawn(Again::new(async move {
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            sum
        }));
        for number in 0..2000_u32 {
            sender.send(number).await.expect("it receives");
        }
        drop(sender);
        let sum = tokio::time::timeout(Duration::from_secs(60), receives).await;
        assert_eq!(sum.expect("no wake-up is lost").expect("it ends"), 1_999_000);
    }
}
