//! What a sandbox tried to reach, to be asked for after each call.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloudbox_types::egress::MOST_LISTED;
use cloudbox_types::{Attempt, AttemptOutcome, Attempts};
use parking_lot::Mutex;
use tokio::time::Instant;

/// One attempt, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Flow {
    host: String,
    port: Option<u16>,
    /// Bytes from the function.
    pub up: AtomicU64,
    /// Bytes to the function.
    pub down: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outcome: AttemptOutcome,
    address: Option<IpAddr>,
    ended: Option<Instant>,
}

impl Flow {
    /// Bytes go to and fro from here on.
    pub fn connected(&self, address: IpAddr) {
        let mut state = self.state.lock();
        state.outcome = AttemptOutcome::Ok;
        state.address = Some(address);
    }

    /// It is over; `outcome` where it ended otherwise than it went.
    pub fn end(&self, outcome: Option<AttemptOutcome>, address: Option<IpAddr>) {
        let mut state = self.state.lock();
        state.outcome = outcome.unwrap_or(state.outcome);
        state.address = address.or(state.address);
        state.ended = Some(Instant::now());
        let (up, down) = (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed));
        metrics::counter!("cloudbox_egress_attempts_total", "outcome" => state.outcome.as_str()).increment(1);
        metrics::counter!("cloudbox_egress_bytes_total", "direction" => "up").increment(up);
        metrics::counter!("cloudbox_egress_bytes_total", "direction" => "down").increment(down);
    }

    fn is_over(&self) -> bool {
        self.state.lock().ended.is_some()
    }
}

/// An attempt with what was told of it before.
#[derive(Debug)]
struct Line {
    flow: Arc<Flow>,
    since: Instant,
    told_up: u64,
    told_down: u64,
    is_reused: bool,
}

impl Line {
    /// What there is to tell, and keeps what was told.
    fn tell(&mut self, now: Instant) -> Option<Attempt> {
        let state = self.flow.state.lock();
        let (up, down) = (self.flow.up.load(Ordering::Relaxed), self.flow.down.load(Ordering::Relaxed));
        let (bytes_up, bytes_down) = (up - self.told_up, down - self.told_down);
        // What an earlier call has left tells something only where bytes went.
        let is_silent = self.is_reused && bytes_up + bytes_down == 0;
        let until = state.ended.unwrap_or(now);
        let attempt = Attempt {
            host: self.flow.host.clone(),
            port: self.flow.port,
            address: state.address,
            outcome: state.outcome,
            bytes_up,
            bytes_down,
            duration_ms: until.saturating_duration_since(self.since).as_secs_f64() * 1000.0,
            is_reused: self.is_reused,
        };
        drop(state);
        (self.told_up, self.told_down, self.since, self.is_reused) = (up, down, now, true);
        (!is_silent).then_some(attempt)
    }
}

/// The attempts of one sandbox. Bounded: beyond those that are listed, only what is still open is kept.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    lines: Vec<Line>,
    unlisted: u64,
}

impl Ledger {
    /// An attempt begins.
    pub fn begin(&mut self, host: String, port: Option<u16>) -> Arc<Flow> {
        let state = State { outcome: AttemptOutcome::Failed, address: None, ended: None };
        let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
        let flow = Arc::new(Flow { host, port, up, down, state: Mutex::new(state) });
        if self.lines.len() >= MOST_LISTED {
            let before = self.lines.len();
            let mut place = 0;
            self.lines.retain(|line| {
                place += 1;
                place <= MOST_LISTED || !line.flow.is_over()
            });
            self.unlisted += (before - self.lines.len()) as u64;
        }
        let flow_of_line = Arc::clone(&flow);
        let (since, is_reused) = (Instant::now(), false);
        self.lines.push(Line { flow: flow_of_line, since, told_up: 0, told_down: 0, is_reused });
        flow
    }

    /// A name that was looked up and refused: listed once, though a library asks again and for other kinds of addresses.
    pub fn refuse_name(&mut self, host: &str) {
        let is_told = |line: &Line| line.flow.port.is_none() && line.flow.host == host && !line.is_reused;
        if !self.lines.iter().any(is_told) {
            self.begin(host.to_owned(), None).end(Some(AttemptOutcome::Refused), None);
        }
    }

    /// What there was since the last time. What goes on is told of again when there is more.
    pub fn take(&mut self) -> Attempts {
        if self.lines.is_empty() {
            return Attempts::default();
        }
        let now = Instant::now();
        let mut attempts = Attempts { listed: Vec::new(), unlisted: std::mem::take(&mut self.unlisted) };
        self.lines.retain_mut(|line| {
            let is_over = line.flow.is_over();
            match line.tell(now) {
                Some(attempt) if attempts.listed.len() < MOST_LISTED => attempts.listed.push(attempt),
                Some(_) => attempts.unlisted += 1,
                None => {}
            }
            !is_over
        });
        attempts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_call_is_told_of_its_own_bytes() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.take(), Attempts::default());
        let flow = ledger.begin("a.b".to_owned(), Some(443));
        let address = "192.0.2.1".parse().unwrap();
        flow.connected(address);
        flow.up.fetch_add(10, Ordering::Relaxed);
        flow.down.fetch_add(100, Ordering::Relaxed);
        tokio::time::advance(Duration::from_millis(20)).await;
        let first = ledger.take();
        let [attempt] = &first.listed[..] else { panic!("{first:?}") };
        assert_eq!((attempt.bytes_up, attempt.bytes_down, attempt.duration_ms), (10, 100, 20.0));
        assert_eq!(
            (attempt.outcome, attempt.address, attempt.is_reused),
            (AttemptOutcome::Ok, Some(address), false)
        );
        assert_eq!(ledger.take(), Attempts::default(), "nothing more was sent");
        flow.up.fetch_add(5, Ordering::Relaxed);
        tokio::time::advance(Duration::from_millis(5)).await;
        flow.end(None, None);
        tokio::time::advance(Duration::from_millis(5)).await;
        let second = ledger.take();
        let attempt = &second.listed[0];
        assert_eq!((attempt.bytes_up, attempt.bytes_down, attempt.duration_ms), (5, 0, 5.0));
        assert!(attempt.is_reused && attempt.outcome == AttemptOutcome::Ok);
        assert!(ledger.lines.is_empty());
    }

    #[test]
    fn a_refused_name_is_listed_once_a_call() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            ledger.refuse_name("a.b");
        }
        ledger.refuse_name("c.d");
        let told = ledger.take().listed;
        assert_eq!(told.iter().map(|told| told.host.as_str()).collect::<Vec<_>>(), ["a.b", "c.d"]);
        assert!(told.iter().all(|told| told.outcome == AttemptOutcome::Refused && told.port.is_none()));
        ledger.refuse_name("a.b");
        assert_eq!(ledger.take().listed.len(), 1);
    }

    #[test]
    fn attempts_are_bounded_and_counted() {
        let mut ledger = Ledger::default();
        let open = ledger.begin("open".to_owned(), Some(1));
        let mut late = None;
        for number in 0..MOST_LISTED * 3 {
            let flow = ledger.begin(format!("n{number}"), Some(1));
            if number == 150 {
                late = Some(flow);
            } else {
                flow.end(Some(AttemptOutcome::Refused), None);
            }
            assert!(ledger.lines.len() <= MOST_LISTED + 2);
        }
        let told = ledger.take();
        assert_eq!((told.listed.len(), told.unlisted), (MOST_LISTED, 201));
        late.unwrap().up.fetch_add(1, Ordering::Relaxed);
        open.down.fetch_add(1, Ordering::Relaxed);
        open.end(None, None);
        let told: Vec<String> = ledger.take().listed.into_iter().map(|told| told.host).collect();
        assert_eq!(told, ["open", "n150"]);
    }
}
