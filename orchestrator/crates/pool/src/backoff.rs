//! How long the next start waits, for those that keep dying.

use std::time::Duration;

use cloudbox_sandbox::LaunchError;
use tokio::time::Instant;

use crate::error::{echo, is_of_driver, is_of_host};

/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait where the driver failed: it is well again before anybody tells.
const LONGEST_OF_DRIVER: Duration = Duration::from_secs(2);
/// Sandboxes that may die in a call, one after the other, before starts begin to wait: a caller who tries a broken
/// handler a few times sees its error each time.
const FREE_DEATHS: u32 = 5;

/// The failures in a row of one key.
#[derive(Default)]
pub(crate) struct Backoff {
    /// Starts that failed since one succeeded.
    starts: u32,
    /// Sandboxes that died in a call since a call was answered.
    deaths: u32,
    last: Option<Failed>,
}

struct Failed {
    at: Instant,
    until: Instant,
    error: Option<LaunchError>,
}

/// Whether a call that finds no sandbox may wait for a start.
pub(crate) enum Gate {
    /// It may, if the start begins now or before the call's deadline.
    Open,
    /// The last start's failure is its answer.
    Failed(LaunchError),
    /// The next start is after its deadline.
    Shut {
        /// When the next start is due.
        until: Instant,
    },
}

impl Backoff {
    /// A start that began at `began` failed. Starts that ran side by side count as one.
    pub fn start_failed(&mut self, began: Instant, now: Instant, error: &LaunchError) {
        if self.last.as_ref().is_none_or(|last| began >= last.at) {
            self.starts = self.starts.saturating_add(1);
        }
        let longest = if is_of_driver(error) { LONGEST_OF_DRIVER } else { LONGEST };
        self.last = Some(Failed { at: now, until: now + self.wait().min(longest), error: Some(echo(error)) });
    }

    /// A start succeeded.
    pub fn started(&mut self) {
        self.starts = 0;
        if let Some(last) = &mut self.last {
            last.error = None;
        }
    }

    /// A sandbox died in a call.
    pub fn died(&mut self, now: Instant) {
        self.deaths = self.deaths.saturating_add(1);
        if self.deaths > FREE_DEATHS {
            self.last = Some(Failed { at: now, until: now + self.wait(), error: None });
        }
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        if self.deaths > 0 {
            *self = Self::default();
        }
    }

    /// When the next start is due, where that is later than now.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.last.as_ref().map(|last| last.until).filter(|until| *until > now)
    }

    /// Whether starts are made one at a time, to see whether they succeed again.
    pub fn is_probing(&self) -> bool {
        self.failures() > 0
    }

    /// Whether nothing is to be remembered: no failures, or the last one is so old that it tells nothing.
    pub fn is_over(&self, now: Instant) -> bool {
        self.last.as_ref().is_none_or(|last| last.until + LONGEST <= now)
    }

    /// What a call gets that could wait until `deadline`.
    pub fn gate(&self, now: Instant, deadline: Instant) -> Gate {
        let Some(until) = self.until(now) else { return Gate::Open };
        match self.last.as_ref().and_then(|last| last.error.as_ref()) {
            Some(error) if !is_of_host(error) => Gate::Failed(echo(error)),
            _ if until >= deadline => Gate::Shut { until },
            _ => Gate::Open,
        }
    }

    /// The last start's failure, while the next one waits.
    pub fn error(&self, now: Instant) -> Option<LaunchError> {
        self.until(now)?;
        self.last.as_ref()?.error.as_ref().map(echo)
    }

    fn failures(&self) -> u32 {
        self.starts.saturating_add(self.deaths.saturating_sub(FREE_DEATHS))
    }

    fn wait(&self) -> Duration {
        let doublings = self.failures().saturating_sub(1).min(16);
        FIRST.saturating_mul(1 << doublings).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudbox_protocol::Logs;
    use cloudbox_sandbox::{Error, SandboxFault, SandboxFaultKind};

    fn host() -> LaunchError {
        Error::Gone.into()
    }

    fn code() -> LaunchError {
        let kind = SandboxFaultKind::Exited { code: Some(1), signal: None };
        SandboxFault { kind, logs: Logs::new(0) }.into()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..11 {
            let now = Instant::now();
            backoff.start_failed(now, now, &code());
            waits.push((backoff.until(now).unwrap() - now).as_millis());
            tokio::time::advance(Duration::from_secs(31)).await;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        let now = Instant::now();
        backoff.start_failed(now, now, &host());
        assert_eq!(backoff.until(now), Some(now + LONGEST_OF_DRIVER), "the driver's faults pass");
        backoff.started();
        assert!(!backoff.is_probing());
    }

    #[tokio::test(start_paused = true)]
    async fn starts_side_by_side_count_once() {
        let mut backoff = Backoff::default();
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let now = Instant::now();
        for _ in 0..4 {
            backoff.start_failed(began, now, &host());
        }
        assert_eq!(backoff.until(now), Some(now + FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_deaths_are_free_and_an_answer_forgives_all() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        for _ in 0..FREE_DEATHS {
            backoff.died(now);
        }
        assert_eq!(backoff.until(now), None);
        backoff.died(now);
        assert_eq!(backoff.until(now), Some(now + FIRST));
        backoff.started();
        assert!(backoff.is_probing(), "a start that succeeds says nothing of the next call");
        backoff.answered();
        assert_eq!(backoff.until(now), None);
    }
}
