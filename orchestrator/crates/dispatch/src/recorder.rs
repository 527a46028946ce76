//! Records of invocations: into a spool file before the answer is sent, from there in batches into the store.
//!
//! So a `kill -9` of the service loses no record of an answered call, and a slow or absent database slows no call.
//! The spool is a folder of segments, files of one JSON record a line. A flush closes the segment that is written
//! to, and moves every closed one into the store: the same code that, at the start, takes over what an earlier life
//! left. The store drops what it has already, so a segment can be moved twice.

mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cloudbox_store::Store;
use cloudbox_types::{InvocationId, Record, with_causes};
use jiff::Timestamp;
use parking_lot::Mutex as Lock;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use spool::{BATCH, Reader, Receipt, Spool};

/// How often the spool is moved into the store.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// How soon after the start old records are looked for.
const FIRST_PRUNE: Duration = Duration::from_secs(1);
/// How often they are looked for when there was none.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// The shortest pause between two parts of them.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest wait before the store is tried again after it refused.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// How long a flush at the end may take; what is left is taken over at the next start.
const LAST_FLUSH: Duration = Duration::from_secs(10);
/// How long a reader waits for its records to be moved.
const READERS_WAIT: Duration = Duration::from_secs(6);
/// The same while the store refuses records: then it reads what there is.
const READERS_WAIT_BEHIND: Duration = Duration::from_millis(300);

/// Keeps records.
pub struct Recorder {
    spool: Arc<Spool>,
    store: Arc<dyn Store>,
    /// One flush at a time; who comes meanwhile finds its records moved when its turn comes.
    flushing: Mutex<()>,
    /// Whether the last flush failed.
    is_behind: AtomicBool,
    /// Records that were not kept since the start.
    lost: AtomicU64,
    /// Why the last record was not kept; none where it was.
    losing: Lock<Option<String>>,
    stop: CancellationToken,
}

/// A record whose line waits for others. It is written when this is dropped: also where its call is given up meanwhile.
struct Waiting<'r> {
    recorder: &'r Recorder,
    id: InvocationId,
    receipt: Receipt,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.recorder.note(self.id, self.recorder.spool.write(&self.receipt));
    }
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

/// What an operator should know of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Sentences.
    pub warnings: Vec<String>,
    /// Whether it goes on now; else it is over, and only told.
    pub is_now: bool,
}

impl Recorder {
    /// A recorder over the folder `dir` of at most `limit` bytes, with the records that an earlier life left in it.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn open(dir: &Path, limit: u64, store: Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            spool: Arc::new(Spool::open(dir, limit)?),
            store,
            flushing: Mutex::new(()),
            is_behind: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            losing: Lock::new(None),
            stop: CancellationToken::new(),
        }))
    }

    /// Keeps one record: returns when it is in the spool, with those of other calls that end now. Where the spool takes none,
    /// such as on a full disk, the record is lost and counted, and the call is answered all the same.
    pub async fn record(&self, record: Record) {
        let id = record.id;
        match self.spool.add(record) {
            Ok(receipt) => {
                let _waiting = Waiting { recorder: self, id, receipt };
                cloudbox_turns::step().await;
            }
            Err(error) => self.note(id, Err(error.to_string())),
        }
    }

    /// Notes whether a record is in the spool, or why not.
    fn note(&self, id: InvocationId, kept: Result<(), String>) {
        if let Err(why) = &kept {
            self.lose(id, why);
        }
        *self.losing.lock() = kept.err();
    }

    fn lose(&self, id: InvocationId, error: &str) {
        metrics::counter!("cloudbox_records_lost_total").increment(1);
        self.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(invocation.id = %id, error, "a record is lost");
    }

    /// Moves into the store what was recorded until now: for readers that expect to see it.
    ///
    /// # Errors
    /// What is not moved stays in the spool.
    pub async fn flush(&self) -> Result<(), Error> {
        let _turn = self.flushing.lock().await;
        let flushed = self.move_all().await;
        self.is_behind.store(flushed.is_err(), Ordering::Relaxed);
        flushed
    }

    /// As [`Recorder::flush`], for a reader: it doesn't wait long where the store refuses records.
    pub async fn flush_for_reader(&self) {
        let is_behind = self.is_behind.load(Ordering::Relaxed);
        let wait = if is_behind { READERS_WAIT_BEHIND } else { READERS_WAIT };
        if !matches!(tokio::time::timeout(wait, self.flush()).await, Ok(Ok(()))) {
            self.is_behind.store(true, Ordering::Relaxed);
        }
    }

    async fn move_all(&self) -> Result<(), Error> {
        let spool = Arc::clone(&self.spool);
        // It waits for the disk, which may be slow.
        let closed = tokio::task::spawn_blocking(move || spool.close_segment()).await;
        closed.map_err(std::io::Error::other)??;
        for segment in self.spool.closed_segments()? {
            self.move_segment(&segment).await?;
            self.spool.remove(&segment)?;
        }
        Ok(())
    }

    async fn move_segment(&self, segment: &Path) -> Result<(), Error> {
        if let Some(kept) = self.spool.take_kept(segment) {
            for batch in kept.chunks(BATCH) {
                self.move_batch(batch).await?;
            }
            return Ok(());
        }
        let mut reader = Reader::open(PathBuf::from(segment))?;
        loop {
            let batch = reader.next_batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            self.move_batch(&batch).await?;
        }
    }

    async fn move_batch(&self, batch: &[Record]) -> Result<(), Error> {
        match self.store.append_records(batch).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_passing() => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a batch of records is refused");
                self.move_one_by_one(batch).await
            }
        }
    }

    /// One record that the store refuses for good must not keep all others out.
    async fn move_one_by_one(&self, batch: &[Record]) -> Result<(), Error> {
        for record in batch {
            match self.store.append_records(std::slice::from_ref(record)).await {
                Ok(()) => {}
                // A store that is closed refuses everything, and none of it for good.
                Err(cloudbox_store::Error::Database(error)) if error.as_database_error().is_some() => {
                    self.lose(record.id, &with_causes(&error));
                }
                Err(error) => return Err(error.into()),
            }
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
                    (wait * 2).min(LONGEST_WAIT)
                }
            };
        }
    }

    /// Deletes old records from the store until [`Recorder::close`], part by part with pauses between: those accepted `keep_days` ago, and those of a
    /// function beyond its newest `keep_per_function`; 0 keeps all.
    pub async fn prune(&self, keep_days: u32, keep_per_function: u32) {
        let age = Duration::from_secs(u64::from(keep_days) * 24 * 3600);
        let keep = Some(keep_per_function).filter(|keep| *keep > 0);
        let mut wait = FIRST_PRUNE;
        while self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            let before = Some(Timestamp::now() - age).filter(|_| keep_days > 0);
            let began = Instant::now();
            wait = match self.store.prune_records(before, keep).await {
                Ok(0) => PRUNE_EVERY,
                // As long as the part took, so that half of the database's time is everybody else's.
                Ok(_) => began.elapsed().clamp(SHORTEST_PAUSE, LONGEST_WAIT),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "old records stay");
                    PRUNE_EVERY
                }
            };
        }
    }

    /// What an operator should know.
    pub fn condition(&self) -> Condition {
        let mut condition = Condition::default();
        let lost = self.lost.load(Ordering::Relaxed);
        if let Some(why) = &*self.losing.lock() {
            condition.is_now = true;
            condition.warnings.push(format!("calls are answered but not recorded: {why}"));
        }
        if lost > 0 {
            condition.warnings.push(format!("{lost} records of calls were lost since the start"));
        }
        if self.is_behind.load(Ordering::Relaxed) {
            condition.is_now = true;
            let bytes = self.spool.bytes();
            condition.warnings.push(format!(
                "the database takes no records: {bytes} bytes of them wait in the data dir's spool"
            ));
        }
        condition
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
