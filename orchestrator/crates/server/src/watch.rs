//! Ends connections that wait too long: for the rest of a head, for the next request, or for a client that doesn't take
//! its answer.
//!
//! hyper has one timeout for heads and silence. A head that comes byte by byte is an attack after seconds; a kept-alive
//! connection that is silent is a client that may come back, and closing it early races with its next request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Timeouts;

/// The longest time between two looks at a connection; what is too long ends this much later at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a connection stays after its last answer, for a client that still sends: a socket that is closed with
/// bytes unread takes the answer back.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection does. Times are milliseconds since its begin.
#[derive(Debug)]
pub(crate) struct Activity {
    timeouts: Timeouts,
    began: Instant,
    last_ms: AtomicU64,
    /// When the first byte of a head came; 0 while none is expected to go on.
    head_ms: AtomicU64,
    /// Since when the socket takes no byte; 0 while it does.
    blocked_ms: AtomicU64,
    /// When we said our last word; 0 before.
    closed_ms: AtomicU64,
    in_flight: AtomicUsize,
    /// HTTP/2 has frames between requests, and pings of its own: there a connection is as idle as its requests.
    is_h2: AtomicBool,
    /// HTTP/2's answers: since when each waits for its client, 0 while it waits for us.
    answers: Mutex<BTreeMap<u64, u64>>,
    next_answer: AtomicU64,
}

impl Activity {
    pub(crate) fn new(timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            timeouts,
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
            // A client that connects and says nothing is as slow as one that says little.
            head_ms: AtomicU64::new(1),
            blocked_ms: AtomicU64::new(0),
            closed_ms: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            is_h2: AtomicBool::new(false),
            answers: Mutex::default(),
            next_answer: AtomicU64::new(0),
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Bytes came in.
    pub(crate) fn read(&self) {
        if self.is_h2.load(Ordering::Relaxed) {
            return;
        }
        let now = self.now_ms();
        self.last_ms.store(now, Ordering::Relaxed);
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            let _ = self.head_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The socket took bytes.
    pub(crate) fn wrote(&self) {
        self.blocked_ms.store(0, Ordering::Relaxed);
        if !self.is_h2.load(Ordering::Relaxed) {
            self.last_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    /// The socket takes no bytes for now.
    pub(crate) fn blocked(&self) {
        let now = self.now_ms();
        let _ = self.blocked_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Nothing more is sent.
    pub(crate) fn closed(&self) {
        let now = self.now_ms();
        let _ = self.closed_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A head is complete; its request runs until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, is_h2: bool) -> InFlight {
        self.is_h2.store(is_h2, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_ms.store(0, Ordering::Relaxed);
        InFlight { activity: Arc::clone(self), answer: None }
    }

    fn is_over(&self) -> bool {
        let past = |since: u64| Duration::from_millis(self.now_ms().saturating_sub(since));
        let is_longer = |since: u64, limit: Duration| since > 0 && past(since) >= limit;
        let is_stuck = |since: u64| is_longer(since, self.timeouts.answer);
        if is_longer(self.closed_ms.load(Ordering::Relaxed), LINGER)
            || is_stuck(self.blocked_ms.load(Ordering::Relaxed))
            || self.answers.lock().values().any(|since| is_stuck(*since))
        {
            return true;
        }
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let is_slow = is_longer(self.head_ms.load(Ordering::Relaxed), self.timeouts.head);
        is_slow || past(self.last_ms.load(Ordering::Relaxed)) >= self.timeouts.idle
    }

    /// Returns when the connection has waited too long.
    pub(crate) async fn over(&self) {
        let Timeouts { head, answer, idle } = self.timeouts;
        let every = (head.min(answer).min(idle) / 4).min(LOOK_EVERY);
        while !self.is_over() {
            tokio::time::sleep(every).await;
        }
    }
}

/// One request, until its answer is sent or given up.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    answer: Option<u64>,
}

impl InFlight {
    /// The answer's head is made. What HTTP/1 sends is seen at its socket; an answer of HTTP/2 can wait for its
    /// client's window while the socket is idle.
    pub(crate) fn answering(&mut self) {
        if self.activity.is_h2.load(Ordering::Relaxed) {
            self.answer = Some(self.activity.next_answer.fetch_add(1, Ordering::Relaxed));
            self.waits_for_client(true);
        }
    }

    /// Who has the next move: the client, who was given something, or us, who have nothing yet.
    pub(crate) fn waits_for_client(&self, does: bool) {
        if let Some(answer) = self.answer {
            let since = if does { self.activity.now_ms() } else { 0 };
            self.activity.answers.lock().insert(answer, since);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(answer) = self.answer {
            self.activity.answers.lock().remove(&answer);
        }
        self.activity.last_ms.store(self.activity.now_ms(), Ordering::Relaxed);
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn activity() -> Arc<Activity> {
        Activity::new(Timeouts::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_and_silence_seventy_five() {
        let (activity, timeouts) = (activity(), Timeouts::default());
        tokio::time::advance(timeouts.head - SECOND / 2).await;
        activity.read();
        assert!(!activity.is_over());
        tokio::time::advance(SECOND).await;
        assert!(activity.is_over(), "bytes don't stretch the time of a head");

        let request = activity.begin(false);
        activity.read();
        tokio::time::advance(timeouts.idle * 2).await;
        assert!(!activity.is_over(), "a request may take its time");
        drop(request);
        tokio::time::advance(timeouts.idle - SECOND).await;
        assert!(!activity.is_over());
        tokio::time::advance(SECOND).await;
        assert!(activity.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_requests_of_http_2_are_no_heads_and_no_requests() {
        let (activity, timeouts) = (activity(), Timeouts::default());
        drop(activity.begin(true));
        activity.read();
        tokio::time::advance(timeouts.head * 2).await;
        assert!(!activity.is_over());
        tokio::time::advance(timeouts.idle).await;
        activity.read();
        activity.wrote();
        assert!(activity.is_over(), "a connection is not kept by pings alone");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_its_connection() {
        let (activity, timeouts) = (activity(), Timeouts::default());
        let _request = activity.begin(false);
        activity.blocked();
        tokio::time::advance(timeouts.answer - SECOND).await;
        activity.blocked();
        assert!(!activity.is_over());
        activity.wrote();
        tokio::time::advance(SECOND).await;
        assert!(!activity.is_over(), "the socket took something");
        activity.blocked();
        tokio::time::advance(timeouts.answer).await;
        assert!(activity.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_http_2_waits_for_its_client_or_for_us() {
        let (activity, timeouts) = (activity(), Timeouts::default());
        let mut request = activity.begin(true);
        request.answering();
        request.waits_for_client(false);
        tokio::time::advance(timeouts.idle * 2).await;
        assert!(!activity.is_over(), "a stream of events may be silent");
        request.waits_for_client(true);
        tokio::time::advance(timeouts.answer).await;
        assert!(activity.is_over());
        drop(request);
        assert!(!activity.is_over());
    }
}
