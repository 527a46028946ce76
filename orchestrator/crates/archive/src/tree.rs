//! The folder that an archive is unpacked into. Every step down is one `openat` that follows no link, so that nothing
//! is ever written beside it, whatever is in the archive.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fchmod, mkdirat, openat};

use crate::error::{Error, Refused};
use crate::limits::Limits;
use crate::meter::Meter;
use crate::names::{Taken, parts};

/// Bytes that are copied at once.
const PIECE: usize = 64 << 10;

/// The folder while it is filled.
pub(crate) struct Tree<'m> {
    top: OwnedFd,
    limits: Limits,
    taken: Taken,
    meter: &'m Meter,
    /// Files so far.
    pub(crate) files: usize,
    /// Bytes of the files so far.
    pub(crate) bytes: u64,
}

impl<'m> Tree<'m> {
    /// Over a new, empty folder that nobody else can reach.
    pub(crate) fn new(folder: &Path, limits: Limits, meter: &'m Meter) -> Result<Self, Error> {
        let top = openat(CWD, folder, folder_flags(), Mode::empty());
        let top = top.map_err(|errno| Error::io("opening", folder)(errno.into()))?;
        Ok(Self { top, limits, taken: Taken::new(limits), meter, files: 0, bytes: 0 })
    }

    /// Makes a folder.
    pub(crate) fn folder(&mut self, name: &[u8]) -> Result<(), Error> {
        let parts = parts(name, &self.limits)?;
        let new = self.taken.folders(&parts)?;
        self.make(&parts, &new)
    }

    /// Makes a file and fills it to its end; how many bytes it got.
    pub(crate) fn file(
        &mut self,
        name: &[u8],
        is_executable: bool,
        content: &mut dyn Read,
    ) -> Result<u64, Error> {
        let parts = parts(name, &self.limits)?;
        let Some((last, above)) = parts.split_last() else {
            return Err(Refused::FileAndFolder { name: "\".\"".to_owned() }.into());
        };
        let new = self.taken.file(&parts)?;
        self.make(above, &new)?;
        let folder = self.open(above)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if is_executable { 0o755 } else { 0o644 });
        let io = |errno: rustix::io::Errno| Error::io("writing", parts.join("/"))(errno.into());
        let file = openat(&folder, *last, flags, mode).map_err(io)?;
        // Whatever this process's umask is.
        fchmod(&file, mode).map_err(io)?;
        let mut file = File::from(file);
        let bytes = self.fill(&mut file, content, &parts)?;
        self.files += 1;
        self.bytes += bytes;
        Ok(bytes)
    }

    fn fill(&self, file: &mut File, content: &mut dyn Read, parts: &[&str]) -> Result<u64, Error> {
        let (mut buffer, mut bytes) = (vec![0; PIECE], 0);
        loop {
            let read = content.read(&mut buffer).map_err(|error| self.meter.explain(&error))?;
            if read == 0 {
                return Ok(bytes);
            }
            file.write_all(&buffer[..read]).map_err(Error::io("writing", parts.join("/")))?;
            bytes += read as u64;
        }
    }

    /// Makes those folders of a path that are new, each told by how many parts it has.
    fn make(&self, parts: &[&str], new: &[usize]) -> Result<(), Error> {
        for len in new {
            let (last, above) = parts[..*len].split_last().expect("a new folder has a name");
            let folder = self.open(above)?;
            mkdirat(&folder, *last, Mode::from_raw_mode(0o700))
                .map_err(|errno| Error::io("making", parts[..*len].join("/"))(errno.into()))?;
        }
        Ok(())
    }

    /// Goes down, a folder at a time.
    fn open(&self, parts: &[&str]) -> Result<OwnedFd, Error> {
        let io = |errno: rustix::io::Errno| Error::io("opening", parts.join("/"))(errno.into());
        let mut folder = openat(&self.top, ".", folder_flags(), Mode::empty()).map_err(io)?;
        for part in parts {
            folder = openat(&folder, *part, folder_flags(), Mode::empty()).map_err(io)?;
        }
        Ok(folder)
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
