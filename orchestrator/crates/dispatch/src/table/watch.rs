//! How the calls of a version on trial end. Counted without a lock: a call adds to one number, and the one that goes
//! over the line says so once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cloudbox_types::{Canary, FunctionId, Name, RolledBack, Split};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

/// Parts of a window: calls are forgotten a part at a time.
const PARTS: usize = 10;
/// Bits of a part's counts, for errors and for calls each; its turn has what is left.
const COUNT_BITS: u32 = 24;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
const MAX_TURN: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

/// A split that has to end.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Whose.
    pub function: FunctionId,
    /// Of which alias.
    pub alias: Name,
    /// As it was set.
    pub split: Split,
    /// What is to be noted.
    pub note: RolledBack,
}

/// Counts the calls of one split's new version.
#[derive(Debug)]
pub(crate) struct Watch {
    function: FunctionId,
    alias: Name,
    split: Split,
    canary: Canary,
    began: Instant,
    /// Turn, calls and errors of each part of the window.
    parts: [AtomicU64; PARTS],
    is_over: AtomicBool,
    told: mpsc::UnboundedSender<Failed>,
}

impl Watch {
    pub(super) fn new(
        (function, alias): (FunctionId, &Name),
        split: &Split,
        canary: Canary,
        told: mpsc::UnboundedSender<Failed>,
    ) -> Self {
        Self {
            function,
            alias: alias.clone(),
            split: split.clone(),
            canary,
            began: Instant::now(),
            parts: Default::default(),
            is_over: AtomicBool::new(false),
            told,
        }
    }

    /// Whether it has failed: no more calls get the version by this split.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Counts a call that ended.
    pub(crate) fn count(&self, is_error: bool) {
        let turn = self.turn();
        let part = &self.parts[usize::try_from(turn).unwrap_or_default() % PARTS];
        let add = |packed: u64| {
            let (of, calls, errors) = unpack(packed);
            let (calls, errors) = if of == turn & MAX_TURN { (calls, errors) } else { (0, 0) };
            pack(turn & MAX_TURN, (calls + 1).min(MAX_COUNT), (errors + u64::from(is_error)).min(MAX_COUNT))
        };
        // It never says no, so it never fails.
        let _ = part.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(add(packed)));
        if is_error {
            self.judge(turn);
        }
    }

    /// Which part of which window it is, counted from the first one.
    fn turn(&self) -> u64 {
        let part = Duration::from_secs(self.canary.window_s.into()) / (PARTS as u32);
        let turn = self.began.elapsed().as_micros() / part.as_micros().max(1);
        // From 1: a part that was never counted in has the turn 0.
        u64::try_from(turn).unwrap_or_default() + 1
    }

    fn judge(&self, turn: u64) {
        let oldest = turn.saturating_sub(PARTS as u64 - 1);
        let is_recent = |of: u64| (oldest..=turn).any(|turn| turn & MAX_TURN == of);
        let (mut calls, mut errors) = (0, 0);
        for part in &self.parts {
            let (of, some, failed) = unpack(part.load(Ordering::Relaxed));
            if is_recent(of) {
                calls += some;
                errors += failed;
            }
        }
        let rate = errors as f64 / calls.max(1) as f64;
        let is_enough = calls >= u64::from(self.canary.min_calls);
        if is_enough && rate > self.canary.max_error_rate && !self.is_over.swap(true, Ordering::Relaxed) {
            // Nobody listens while the service ends; the next life counts anew.
            drop(self.told.send(self.failed(calls, errors, rate)));
        }
    }

    fn failed(&self, calls: u64, errors: u64, rate: f64) -> Failed {
        let reason = format!(
            "{errors} of {calls} calls of version {} failed within {} s: {:.1} %, more than the {:.1} % of max_error_rate",
            self.split.version,
            self.canary.window_s,
            rate * 100.0,
            self.canary.max_error_rate * 100.0
        );
        let note = RolledBack {
            version: self.split.version,
            weight: self.split.weight,
            calls,
            errors,
            reason,
            at: Timestamp::now(),
        };
        Failed { function: self.function, alias: self.alias.clone(), split: self.split.clone(), note }
    }
}

const fn pack(turn: u64, calls: u64, errors: u64) -> u64 {
    turn << (2 * COUNT_BITS) | calls << COUNT_BITS | errors
}

const fn unpack(packed: u64) -> (u64, u64, u64) {
    (packed >> (2 * COUNT_BITS), packed >> COUNT_BITS & MAX_COUNT, packed & MAX_COUNT)
}

#[cfg(test)]
mod tests {
    use cloudbox_types::Sticky;

    use super::*;

    fn watch(max_error_rate: f64, min_calls: u32) -> (Watch, mpsc::UnboundedReceiver<Failed>) {
        let canary = Canary { max_error_rate, min_calls, window_s: 60 };
        let split = Split { version: 2, weight: 10.0, sticky: Sticky::Key, canary: Some(canary) };
        let (told, failed) = mpsc::unbounded_channel();
        (Watch::new((FunctionId(1), &Name::new("prod").unwrap()), &split, canary, told), failed)
    }

    #[tokio::test(start_paused = true)]
    async fn it_fails_once_above_the_rate_and_not_before_enough_calls() {
        let (watch, mut failed) = watch(0.2, 10);
        for number in 0..9 {
            watch.count(number % 3 == 0);
        }
        assert!(!watch.is_over(), "9 calls are too few");
        watch.count(true);
        assert!(watch.is_over());
        watch.count(true);
        let told = failed.try_recv().unwrap();
        assert_eq!((told.note.calls, told.note.errors, told.note.version), (10, 4, 2));
        assert!(told.note.reason.starts_with("4 of 10 calls of version 2 failed within 60 s: 40.0 %"));
        assert!(failed.try_recv().is_err(), "it is told once");
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_rate_is_not_above_it() {
        let (watch, _failed) = watch(0.5, 2);
        for number in 0..100 {
            watch.count(number % 2 == 1);
        }
        assert!(!watch.is_over());
        watch.count(true);
        assert!(watch.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_ago_is_forgotten() {
        let (watch, mut failed) = watch(0.1, 4);
        (0..3).for_each(|_| watch.count(true));
        tokio::time::advance(Duration::from_secs(61)).await;
        watch.count(true);
        assert!(!watch.is_over(), "one call within the window");
        (0..3).for_each(|_| watch.count(true));
        assert_eq!(failed.try_recv().unwrap().note.calls, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_may_begin_anew() {
        let (watch, mut failed) = watch(0.1, 2);
        watch.count(true);
        tokio::time::advance(Duration::from_secs(6 * 65_536)).await;
        watch.count(false);
        watch.count(true);
        assert!(failed.try_recv().is_ok());
    }
}
