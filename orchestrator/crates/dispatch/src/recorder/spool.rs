//! The segments of the spool: append-only files, one of them open.
//!
//! What was written lately is in memory, too, so that a flush a moment later has nothing to read and parse.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cloudbox_types::Record;
use parking_lot::Mutex;

const SUFFIX: &str = "jsonl";
/// Bytes after which a segment is closed.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Records that are in memory at once while a segment is read.
pub(super) const BATCH: usize = 500;
/// Bytes of most lines, besides their logs.
const LINE_BYTES: usize = 1 << 10;
/// Bytes of lines after which a batch is full, however few they are.
const BATCH_BYTES: usize = 8 << 20;

/// Bytes of lines whose records stay in memory; the others are read from their segments.
const KEPT_BYTES: u64 = 16 << 20;

/// The folder of segments.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    /// Bytes of all segments, at most.
    limit: u64,
    open: Mutex<Open>,
}

/// What is written to.
#[derive(Debug)]
struct Open {
    /// Lines that wait for the next write.
    waiting: Lines,
    /// None until the first record after a flush.
    segment: Option<Segment>,
    /// Segments that were full before a flush came, and are still to be synced.
    full: Vec<File>,
    /// The records of segments that are closed and all in memory, by number.
    kept: HashMap<u64, Vec<Record>>,
    /// Of the newest segment.
    number: u64,
    /// Bytes of all segments.
    bytes: u64,
    /// A descriptor for the next segment, for when the process has no other one left.
    reserve: Option<File>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    bytes: u64,
    number: u64,
    /// Its records; none where they are too many.
    kept: Option<Vec<Record>>,
}

/// Lines that are written at once, with their records.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// Each with the end of its line in the text.
    records: Vec<(Record, usize)>,
    written: Written,
}

/// Where it is told what became of lines: why each was lost, or nothing where all are written.
type Written = Arc<OnceLock<Vec<Option<io::Error>>>>;

/// A record whose line waits to be written.
#[derive(Debug)]
pub(super) struct Receipt {
    written: Written,
    index: usize,
}

impl Receipt {
    /// What became of it; none as long as it waits.
    fn outcome(&self) -> Option<Result<(), &io::Error>> {
        let lost = self.written.get()?.get(self.index).and_then(Option::as_ref);
        Some(lost.map_or(Ok(()), Err))
    }
}

impl Open {
    /// A segment that nothing is written to any more.
    fn close(&mut self, segment: Segment) {
        self.kept.extend(segment.kept.map(|kept| (segment.number, kept)));
        self.full.push(segment.file);
    }

    /// Keeps what was just written to the segment in memory, too.
    fn keep(&mut self, records: impl IntoIterator<Item = Record>) {
        let Some(segment) = &mut self.segment else { return };
        segment.kept = segment.kept.take().filter(|_| self.bytes <= KEPT_BYTES);
        if let Some(kept) = &mut segment.kept {
            kept.extend(records);
        }
    }
}

impl Spool {
    pub(super) fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let left = segments(dir)?;
        let number = left.last().and_then(|path| number_of(path)).unwrap_or(0);
        let bytes = left.iter().map(|path| fs::metadata(path).map_or(0, |found| found.len())).sum();
        let reserve = File::open(dir).ok();
        let waiting = Lines::default();
        let open =
            Open { waiting, segment: None, full: Vec::new(), kept: HashMap::new(), number, bytes, reserve };
        Ok(Self { dir: dir.to_owned(), limit, open: Mutex::new(open) })
    }

    /// Has a record written with the next [`Spool::write`], whoever's that is.
    pub(super) fn add(&self, record: Record) -> io::Result<Receipt> {
        let mut line = Vec::with_capacity(LINE_BYTES + record.logs.len());
        record.write_json(&mut line);
        line.push(b'\n');
        let mut open = self.open.lock();
        let Open { waiting, bytes, .. } = &mut *open;
        if *bytes + (waiting.text.len() + line.len()) as u64 > self.limit {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the spool is full"));
        }
        let receipt = Receipt { written: Arc::clone(&waiting.written), index: waiting.records.len() };
        if waiting.text.is_empty() {
            waiting.text = line;
        } else {
            waiting.text.extend_from_slice(&line);
        }
        waiting.records.push((record, waiting.text.len()));
        Ok(receipt)
    }

    /// One `write` for all that waits, so that whole lines are in the kernel's hands when this returns. Of a line that doesn't
    /// fit, nothing stays.
    pub(super) fn write(&self, receipt: &Receipt) -> Result<(), String> {
        if receipt.outcome().is_none() {
            self.write_waiting(&mut self.open.lock());
        }
        let outcome = receipt.outcome().expect("what waited is written by now");
        outcome.map_err(ToString::to_string)
    }

    fn write_waiting(&self, open: &mut Open) {
        let Lines { text, records, written } = std::mem::take(&mut open.waiting);
        if records.is_empty() {
            return;
        }
        let lost = match self.append(open, &text) {
            Ok(()) => {
                open.keep(records.into_iter().map(|(record, _)| record));
                Vec::new()
            }
            Err(error) if records.len() == 1 => vec![Some(error)],
            // A shorter one may still fit.
            Err(_) => {
                let mut begin = 0;
                let each = records.into_iter().map(|(record, end)| {
                    let line = &text[std::mem::replace(&mut begin, end)..end];
                    self.append(open, line).map(|()| open.keep([record])).err()
                });
                each.collect()
            }
        };
        written.set(lost).expect("it is told once");
    }

    /// One `write`: all of the text or none of it.
    fn append(&self, open: &mut Open, text: &[u8]) -> io::Result<()> {
        let mut segment = match open.segment.take() {
            Some(segment) if segment.bytes < SEGMENT_BYTES => segment,
            full => {
                if let Some(full) = full {
                    open.close(full);
                }
                let path = self.dir.join(format!("{:016}.{SUFFIX}", open.number + 1));
                open.reserve = None;
                let file = File::options().create_new(true).append(true).mode(0o600).open(path)?;
                open.number += 1;
                Segment { file, bytes: 0, number: open.number, kept: Some(Vec::new()) }
            }
        };
        let written = segment.file.write_all(text);
        if written.is_ok() {
            segment.bytes += text.len() as u64;
            open.bytes += text.len() as u64;
        } else if segment.file.set_len(segment.bytes).is_err() {
            // The half of a line stays, so nothing may follow it.
            open.close(segment);
            return written;
        }
        open.segment = Some(segment);
        written
    }

    /// Closes what is written to. It is on the disk when this returns; who appends meanwhile doesn't wait.
    pub(super) fn close_segment(&self) -> io::Result<()> {
        let closed: Vec<File> = {
            let mut open = self.open.lock();
            if let Some(segment) = open.segment.take() {
                open.close(segment);
            }
            open.full.drain(..).collect()
        };
        let synced = closed.iter().try_for_each(File::sync_data);
        drop(closed);
        self.open.lock().reserve = File::open(&self.dir).ok();
        synced
    }

    /// Every segment but the open one, the oldest first.
    pub(super) fn closed_segments(&self) -> io::Result<Vec<PathBuf>> {
        let open = self.open.lock();
        let current = open.segment.as_ref().map(|_| open.number);
        let mut all = segments(&self.dir)?;
        all.retain(|path| number_of(path) != current || current.is_none());
        Ok(all)
    }

    /// The records of a closed segment, to the first who asks; none where they have to be read.
    pub(super) fn take_kept(&self, segment: &Path) -> Option<Vec<Record>> {
        self.open.lock().kept.remove(&number_of(segment)?)
    }

    /// Removes a segment whose records are in the store.
    pub(super) fn remove(&self, segment: &Path) -> io::Result<()> {
        let bytes = fs::metadata(segment)?.len();
        fs::remove_file(segment)?;
        let mut open = self.open.lock();
        open.bytes = open.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Bytes that wait to be moved.
    pub(super) fn bytes(&self) -> u64 {
        self.open.lock().bytes
    }
}

fn segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .filter(|path| number_of(path).is_some())
        .collect();
    found.sort();
    Ok(found)
}

fn number_of(path: &Path) -> Option<u64> {
    let is_segment = path.extension().is_some_and(|suffix| suffix == SUFFIX);
    path.file_stem()?.to_str()?.parse().ok().filter(|_| is_segment)
}

/// Reads a segment, a batch at a time: a segment may be larger than the memory that is to be had.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
}

impl Reader {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { lines: BufReader::new(File::open(&path)?), path })
    }

    /// The next records; empty at the end. A last line that a crash cut off belongs to a call that was never answered.
    pub(super) fn next_batch(&mut self) -> io::Result<Vec<Record>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let mut line = Vec::new();
            let read = self.lines.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            bytes += read;
            match serde_json::from_slice(&line) {
                Ok(record) => batch.push(record),
                Err(error) => {
                    tracing::warn!(segment = %self.path.display(), %error, "a line of the spool is no record");
                }
            }
        }
        Ok(batch)
    }
}
