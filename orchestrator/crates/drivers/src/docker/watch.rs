//! Whether the daemon answers. A daemon that hangs or is gone must cost no call all of its patience, and when it is
//! back, what could not be removed meanwhile is.

use std::sync::Weak;
use std::time::Duration;

use bollard::Docker;
use tokio::sync::watch::Sender;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::daemon::unavailable;
use super::{Shared, sweep};
use cloudbox_sandbox::error::Error;

/// How often the daemon is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to say that it is there: it does so in a millisecond.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Looks after the start, and after a daemon is back, at which it is swept once more: what a killed life had asked for,
/// and what was asked of a daemon that hung and then given up, may be made after the first sweep.
const LATE_SWEEPS: [u32; 2] = [1, 4];

/// What is wrong with the daemon, where something is.
#[derive(Debug)]
pub(super) struct Watch {
    trouble: Sender<Option<String>>,
}

impl Watch {
    /// A daemon that has answered.
    pub fn new() -> Self {
        Self { trouble: Sender::new(None) }
    }

    /// What is wrong, as a sentence for operators.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Does what needs the daemon, unless the daemon is in trouble or comes into it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it is, else what the work says.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut trouble = self.trouble.subscribe();
        tokio::select! {
            biased;
            Ok(found) = trouble.wait_for(Option::is_some) => {
                Err(unavailable(found.clone().unwrap_or_default()))
            }
            done = work => done,
        }
    }

    /// Returns when the daemon was in trouble for this long without a break.
    pub async fn trouble_for(&self, patience: Duration) {
        let mut trouble = self.trouble.subscribe();
        loop {
            if trouble.wait_for(Option::is_some).await.is_err() {
                return std::future::pending().await;
            }
            if timeout(patience, trouble.wait_for(Option::is_none)).await.is_err() {
                return;
            }
        }
    }

    /// Notes what was found, and logs a change; whether the daemon is back.
    fn note(&self, found: Option<String>) -> bool {
        let before = self.trouble.send_replace(found.clone());
        match (before, found) {
            (None, Some(trouble)) => {
                tracing::error!(trouble, "no sandbox can be made; those that run go on");
                false
            }
            (Some(_), None) => {
                tracing::info!("the Docker daemon answers again");
                true
            }
            _ => false,
        }
    }
}

/// Looks after the daemon for as long as the driver is there and open.
pub(super) async fn run(shared: Weak<Shared>, closing: CancellationToken) {
    let mut looks = 0_u32;
    loop {
        if closing.run_until_cancelled(sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
        let Some(shared) = shared.upgrade() else { return };
        let found = look(&shared.docker).await;
        let is_well = found.is_none();
        let is_back = shared.watch.note(found);
        looks = if is_back { 0 } else { looks.saturating_add(1) };
        if is_well && (is_back || LATE_SWEEPS.contains(&looks)) {
            match closing.run_until_cancelled(sweep::containers(&shared)).await {
                Some(Ok(report)) if report.removed + report.failed > 0 => {
                    tracing::info!(
                        swept.removed = report.removed,
                        swept.failed = report.failed,
                        "swept again"
                    );
                }
                Some(Err(error)) => tracing::warn!(%error, "what is left can't be listed"),
                _ => {}
            }
        }
    }
}

async fn look(docker: &Docker) -> Option<String> {
    match timeout(ANSWERS_WITHIN, docker.ping()).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("the Docker daemon fails: {error}")),
        Err(_) => Some(format!("the Docker daemon does not answer within {} s", ANSWERS_WITHIN.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sick() -> Option<String> {
        Some("sick".to_owned())
    }

    #[tokio::test]
    async fn work_ends_when_trouble_begins_and_does_not_begin_in_it() {
        let watch = Watch::new();
        assert_eq!(watch.guard(async { Ok(1) }).await.expect("a healthy daemon"), 1);
        let hangs = watch.guard(std::future::pending::<Result<(), Error>>());
        let comes = async { watch.note(sick()) };
        let (outcome, is_back) = tokio::join!(hangs, comes);
        assert!(matches!(outcome, Err(Error::Unavailable { .. })) && !is_back);
        assert!(watch.guard(async { Ok(()) }).await.is_err());
        assert!(watch.note(None), "it is back");
        assert!(watch.guard(async { Ok(()) }).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_break_in_the_trouble_begins_the_patience_anew() {
        let watch = Watch::new();
        let began = tokio::time::Instant::now();
        let changes = async {
            for found in [sick(), None, sick()] {
                watch.note(found);
                sleep(Duration::from_secs(3)).await;
            }
        };
        tokio::join!(watch.trouble_for(Duration::from_secs(5)), changes);
        assert_eq!(began.elapsed(), Duration::from_secs(11));
    }
}
