//! The segments of the spool: append-only files, one of them open.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cloudbox_types::Record;
use parking_lot::Mutex;

const SUFFIX: &str = "jsonl";

/// The folder of segments.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    open: Mutex<Open>,
}

/// The segment that is written to; none until the first record after a flush.
#[derive(Debug)]
struct Open {
    segment: Option<File>,
    number: u64,
}

impl Spool {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let number = segments(dir)?.last().and_then(|path| number_of(path)).unwrap_or(0);
        Ok(Self { dir: dir.to_owned(), open: Mutex::new(Open { segment: None, number }) })
    }

    /// One `write`, so that a line is in the kernel's hands, whole, when this returns.
    pub(super) fn append(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut open = self.open.lock();
        if open.segment.is_none() {
            open.number += 1;
            let path = self.dir.join(format!("{:016}.{SUFFIX}", open.number));
            open.segment = Some(File::options().create_new(true).append(true).mode(0o600).open(path)?);
        }
        match &mut open.segment {
            Some(segment) => segment.write_all(&line),
            None => Ok(()),
        }
    }

    pub(super) fn close_segment(&self) -> io::Result<()> {
        self.open.lock().segment.take().map_or(Ok(()), |segment| segment.sync_data())
    }

    /// Every segment but the open one, the oldest first.
    pub(super) fn closed_segments(&self) -> io::Result<Vec<PathBuf>> {
        let open = self.open.lock();
        let current = open.segment.as_ref().map(|_| open.number);
        let mut all = segments(&self.dir)?;
        all.retain(|path| number_of(path) != current || current.is_none());
        Ok(all)
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

/// The records of a segment. A last line that a crash cut off belongs to a call that was never answered.
pub(super) fn read(segment: &Path) -> io::Result<Vec<Record>> {
    let bytes = fs::read(segment)?;
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines
        .filter_map(|line| match serde_json::from_slice(line) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(segment = %segment.display(), %error, "a line of the spool is no record");
                None
            }
        })
        .collect())
}
