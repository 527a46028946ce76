//! Records of invocations: into a spool file before the answer is sent, from there in batches into the store.
//!
//! So a `kill -9` of the service loses no record of an answered call, and a slow or absent database slows no call.
//! The spool is a folder of segments, files of one JSON record a line. A flush closes the segment that is written
//! to, and moves every closed one into the store: the same code that, at the start, takes over what an earlier life
//! left. The store drops what it has already, so a segment can be moved twice.

mod spool;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_store::Store;
use cloudbox_types::Record;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use spool::Spool;

/// How often the spool is moved into the store.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Records of one transaction.
const BATCH: usize = 500;
/// How long a flush at the end may take; what is left is taken over at the next start.
const LAST_FLUSH: Duration = Duration::from_secs(10);

/// Keeps records.
pub struct Recorder {
    spool: Spool,
    store: Arc<dyn Store>,
    /// One flush at a time; who comes meanwhile finds its records moved when its turn comes.
    flushing: Mutex<()>,
    stop: CancellationToken,
}

/// Why records are not in the store yet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool's folder or files failed.
    #[error("the spool failed")]
    Spool(#[from] std::io::Error),
    /// The store refused; the records stay in the spool.
    #[error("the store refused records")]
    Store(#[from] cloudbox_store::Error),
}

impl Recorder {
    /// A recorder over the folder `dir`, with the records that an earlier life left in it.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn open(dir: &Path, store: Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        let spool = Spool::open(dir)?;
        Ok(Arc::new(Self { spool, store, flushing: Mutex::new(()), stop: CancellationToken::new() }))
    }

    /// Keeps one record: returns when it is in the spool.
    pub fn record(&self, record: &Record) {
        if let Err(error) = self.spool.append(record) {
            metrics::counter!("cloudbox_records_lost_total").increment(1);
            tracing::error!(invocation.id = %record.id, error = &error as &dyn std::error::Error, "a record is lost");
        }
    }

    /// Moves into the store what was recorded until now: for readers that expect to see it.
    ///
    /// # Errors
    /// What is not moved stays in the spool.
    pub async fn flush(&self) -> Result<(), Error> {
        let _turn = self.flushing.lock().await;
        self.spool.close_segment()?;
        for segment in self.spool.closed_segments()? {
            for batch in spool::read(&segment)?.chunks(BATCH) {
                self.store.append_records(batch).await?;
            }
            std::fs::remove_file(&segment)?;
        }
        Ok(())
    }

    /// Flushes until [`Recorder::close`].
    pub async fn run(&self) {
        let mut wait = FLUSH_EVERY;
        while self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            wait = match self.flush().await {
                Ok(()) => FLUSH_EVERY,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "records wait in the spool");
                    (wait * 2).min(LAST_FLUSH)
                }
            };
        }
    }

    /// Ends [`Recorder::run`] and flushes once more.
    pub async fn close(&self) {
        self.stop.cancel();
        match tokio::time::timeout(LAST_FLUSH, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "records stay in the spool");
            }
            Err(_) => tracing::warn!("the store is slow: records stay in the spool"),
        }
    }
}

#[cfg(test)]
mod tests;
