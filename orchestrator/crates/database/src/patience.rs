//! How long an operation may take. Who asks a database that failed last time is told so soon, and not after every
//! timeout of the drivers once more.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::outage::Outage;

/// For a connection, a lock or a query while all is well: more than SQLite's own wait for a lock.
const FIRST: Duration = Duration::from_secs(6);
/// The same, when the last operation failed.
const AGAIN: Duration = Duration::from_millis(800);
/// For a statement of a change, which may delete much; and for who works in the background.
const LONG: Duration = Duration::from_secs(30);

/// What is known of one way into the database: of its changes, or of its queries.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// What the last operation met, where it was the database's failure.
    outage: Mutex<Option<Outage>>,
}

/// For whom an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Somebody who waits for an answer.
    Request,
    /// Nobody: it may take its time, however the database was.
    Background,
}

impl Patience {
    /// Whether the last operation failed for the database's reasons.
    pub(crate) fn is_out(&self) -> bool {
        self.outage.lock().is_some()
    }

    /// An operation that begins: it waits for a connection or a lock.
    pub(crate) async fn begin<T>(
        &self,
        whom: For,
        operation: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let wait = match whom {
            For::Background => LONG,
            For::Request if self.is_out() => AGAIN,
            For::Request => FIRST,
        };
        self.note(wait, operation).await
    }

    /// An operation that has its connection and its lock.
    pub(crate) async fn go_on<T>(
        &self,
        whom: For,
        operation: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let wait = if whom == For::Request && self.is_out() { AGAIN } else { LONG };
        self.note(wait, operation).await
    }

    /// The last operation of a change. It may have happened when nobody says so any more: so it gets the longest wait.
    pub(crate) async fn end<T>(
        &self,
        operation: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let ended = self.note(LONG, operation).await;
        if ended.is_ok() {
            *self.outage.lock() = None;
        }
        ended
    }

    /// Nothing is proved by a step that succeeds: the next one may fail. Who reaches its end says that all is well.
    async fn note<T>(
        &self,
        wait: Duration,
        operation: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let done = tokio::time::timeout(wait, operation).await.unwrap_or_else(|_| {
            // Cut short because of what is known already: that is the reason still.
            let known = self.outage.lock().filter(|_| wait < LONG);
            Err(known.unwrap_or(Outage::Silent).error())
        });
        if let Some(outage) = done.as_ref().err().and_then(Outage::of) {
            *self.outage.lock() = Some(outage);
        }
        done
    }

    /// A query, which is one operation. One that came late is no proof that the next will be in time.
    pub(crate) async fn query<T>(
        &self,
        operation: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let began = Instant::now();
        let done = self.begin(For::Request, operation).await;
        if done.is_ok() && began.elapsed() < FIRST {
            *self.outage.lock() = None;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a query waits for a database that never answers.
    async fn waited(patience: &Patience) -> Duration {
        let began = Instant::now();
        let never = std::future::pending::<Result<(), sqlx::Error>>();
        assert!(patience.query(never).await.is_err());
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_again_is_told_sooner_until_it_answers() {
        let patience = Patience::default();
        assert_eq!(waited(&patience).await, FIRST);
        assert_eq!(waited(&patience).await, AGAIN);
        patience.query(async { Ok(()) }).await.unwrap();
        assert_eq!(waited(&patience).await, FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_ours_is_no_outage() {
        let patience = Patience::default();
        let wrong = async { Err::<(), _>(sqlx::Error::RowNotFound) };
        assert!(patience.begin(For::Request, wrong).await.is_err());
        assert!(!patience.is_out());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_begins_proves_nothing() {
        let patience = Patience::default();
        waited(&patience).await;
        patience.begin(For::Request, async { Ok(()) }).await.unwrap();
        assert!(patience.is_out());
        patience.end(async { Ok(()) }).await.unwrap();
        assert!(!patience.is_out());
    }
}
