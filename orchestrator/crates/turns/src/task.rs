//! A task that is counted while it waits for a thread, and that may wake itself.
//!
//! hyper wakes a connection's task when the body of its request is dropped, which happens while that very task runs. The
//! runtime then puts the task at the end of its queue and, since there is work now, wakes another thread: on an idle CPU that
//! costs more than all of hyper's work on the request. So a wake-up by the task itself is kept from the runtime, and the
//! task is polled again at once.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

use crate::WAITING;

/// Polls in a row before the runtime has its turn: others wait, too.
const MAX_POLLS: u32 = 4;

/// Nobody polls, and nobody has woken it.
const IDLE: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It was woken: while it was being polled, else it waits for a thread.
const WOKEN: u8 = 2;
/// It is gone; who still has its waker wakes nobody.
const GONE: u8 = 3;

thread_local! {
    /// Whose poll this thread is in.
    static CURRENT: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
}

/// A future whose wake-ups are known to [`step`](crate::step), and that may wake itself at little cost.
pub struct Task<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// While it is, and after its end.
    is_polled: bool,
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
        // Also where it was woken before, so that its next poll sees what this wake-up is about.
        if self.state.fetch_max(WOKEN, Ordering::AcqRel) == IDLE {
            WAITING.fetch_add(1, Ordering::Relaxed);
            self.task.wake();
        }
    }
}

/// While this thread is in a task's poll.
struct Current(Option<Arc<Bell>>);

impl Current {
    fn begin(bell: &Arc<Bell>) -> Self {
        Self(CURRENT.replace(Some(Arc::clone(bell))))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Forgets that the task which this thread polls was woken: it is about to wake itself again, and is not to be polled before.
pub(crate) fn forget_wakes() {
    CURRENT.with_borrow(|current| {
        if let Some(bell) = current {
            bell.state.swap(POLLED, Ordering::AcqRel);
        }
    });
}

impl<F: Future> Task<F> {
    /// To be spawned.
    pub fn new(future: F) -> Self {
        let bell = Arc::<Bell>::default();
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&bell)), bell, is_polled: false }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let task = &mut *self;
        // Before the first poll, so that no wake-up after it finds nobody.
        task.bell.task.register(cx.waker());
        if task.bell.state.swap(POLLED, Ordering::AcqRel) == WOKEN {
            WAITING.fetch_sub(1, Ordering::Relaxed);
        }
        task.is_polled = true;
        let _current = Current::begin(&task.bell);
        for _ in 0..MAX_POLLS {
            if let Poll::Ready(value) = task.future.as_mut().poll(&mut Context::from_waker(&task.waker)) {
                return Poll::Ready(value);
            }
            if task.bell.state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                task.is_polled = false;
                return Poll::Pending;
            }
            task.bell.state.swap(POLLED, Ordering::AcqRel);
        }
        task.is_polled = false;
        task.bell.state.store(IDLE, Ordering::Release);
        task.bell.wake_by_ref();
        Poll::Pending
    }
}

impl<F> Drop for Task<F> {
    fn drop(&mut self) {
        let state = self.bell.state.swap(GONE, Ordering::AcqRel);
        if state == WOKEN && !self.is_polled {
            WAITING.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;

    /// Whose tasks wait for a thread: the count is the process's.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
        let mut task = Task::new(restless(2));
        assert_eq!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)), Poll::Ready(3));
        assert_eq!(told.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_does_so_without_end_lets_others_have_their_turn() {
        let _alone = ALONE.blocking_lock();
        let told = Arc::<Told>::default();
        let waker = Waker::from(Arc::clone(&told));
        let mut task = Task::new(restless(MAX_POLLS + 1));
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(told.0.load(Ordering::Relaxed), 1);
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[tokio::test]
    async fn who_is_ready_comes_as_far_before_the_others_go_on() {
        let _alone = ALONE.lock().await;
        let (steps, gate) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(Notify::new()));
        let tasks = ["a", "b", "c"].map(|name| {
            let (steps, gate) = (Arc::clone(&steps), Arc::clone(&gate));
            tokio::spawn(Task::new(async move {
                gate.notified().await;
                for number in 1..=3 {
                    // As hyper does, when a request's body is dropped.
                    poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        Poll::Ready(())
                    })
                    .await;
                    steps.lock().push((number, name));
                    crate::step().await;
                }
            }))
        });
        tokio::task::yield_now().await;
        gate.notify_waiters();
        for task in tasks {
            task.await.expect("it ends");
        }
        let numbers: Vec<_> = steps.lock().iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(WAITING.load(Ordering::Relaxed), 0);

        let told = Arc::<Told>::default();
        let waker = Waker::from(Arc::clone(&told));
        let mut task = Task::new(std::future::pending::<()>());
        let bell = Arc::clone(&task.bell);
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(WAITING.load(Ordering::Relaxed), 0);
        bell.wake_by_ref();
        bell.wake_by_ref();
        assert_eq!(WAITING.load(Ordering::Relaxed), 1, "it waits once");
        drop(task);
        bell.wake_by_ref();
        assert_eq!(WAITING.load(Ordering::Relaxed), 0, "nobody waits");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_others_wake_goes_on() {
        let _alone = ALONE.lock().await;
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let receives = tokio::spawn(Task::new(async move {
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
