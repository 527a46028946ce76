//! A base image's files with ours over them: what a stranger put into an image becomes a plain root file system.
//!
//! An image's own settings don't come along at all, since its files alone are taken. Of these, owners, the bits that lend
//! rights, extended attributes and devices don't. What drivers mount something on, and all that is ours, is ours whatever
//! the image has in its place.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tar::{Archive, Builder, Entry, EntryType};
use tokio::sync::mpsc;

use super::tree::{append_folder, header, whole};

/// Folders that nothing of an image comes into.
const RESERVED: [&str; 7] = ["cloudbox", "dev", "proc", "run/cloudbox", "sys", "tmp", "workspace"];
/// Left by the daemon in what it exports.
const MARK: &str = ".dockerenv";
/// Files, folders and links of an image.
const MAX_ENTRIES: usize = 500_000;

/// What an image may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all its files.
    pub bytes: u64,
}

/// A stream that is read on a thread for blocking work.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    now: Bytes,
}

impl Pieces {
    /// Reads what is sent.
    pub fn new(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { receiver, now: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.now = piece?,
                None => return Ok(0),
            }
        }
        let taken = self.now.split_to(self.now.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

/// Writes the archive of `base`, the export of a container, with what is in the folder `ours` over it.
///
/// # Errors
/// One of both can't be read, or the image is no fair one.
pub(super) fn merge(base: impl Read, ours: &Path, bounds: Bounds, out: impl Write) -> io::Result<()> {
    let mut own = Own::default();
    own.collect(ours, Path::new(""))?;
    whole(out, |tar| {
        // First, so that folders are there before what is in them. The daemon takes no path twice, so that nothing of the
        // image could come over it either.
        append_folder(tar, ours, Path::new(""))?;
        let (mut bytes, mut entries) = (0_u64, 0);
        let mut archive = Archive::new(base);
        for entry in archive.entries()? {
            let mut entry = entry?;
            (bytes, entries) = (bytes.saturating_add(entry.size()), entries + 1);
            if bytes > bounds.bytes {
                let most = bounds.bytes >> 20;
                return Err(io::Error::other(format!("it has more than {most} MB, which is the limit")));
            }
            if entries > MAX_ENTRIES {
                return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} files and folders")));
            }
            own.append(tar, &mut entry)?;
        }
        Ok(())
    })
}

/// What is ours.
#[derive(Default)]
struct Own {
    folders: HashSet<PathBuf>,
    files: HashSet<PathBuf>,
}

impl Own {
    fn collect(&mut self, folder: &Path, inside: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let inside = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.collect(&entry.path(), &inside)?;
                self.folders.insert(inside);
            } else {
                self.files.insert(inside);
            }
        }
        Ok(())
    }

    /// Whether something of the image stays.
    fn leaves(&self, path: &Path) -> bool {
        let is_below = |above: &str| path.starts_with(above);
        if path == Path::new(MARK) || RESERVED.iter().any(|reserved| is_below(reserved)) {
            return false;
        }
        let is_in_a_file = path.ancestors().any(|above| self.files.contains(above));
        !is_in_a_file && !self.folders.contains(path)
    }

    fn append<R: Read>(&self, tar: &mut Builder<impl Write>, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let Some(path) = plain(&entry.path()?)? else { return Ok(()) };
        let kind = entry.header().entry_type();
        if !self.leaves(&path) {
            return Ok(());
        }
        let is_program = entry.header().mode()? & 0o111 != 0;
        let mut header = header(if kind.is_dir() || is_program { 0o755 } else { 0o644 });
        header.set_mtime(entry.header().mtime().unwrap_or_default());
        header.set_entry_type(kind);
        if kind.is_dir() {
            return tar.append_data(&mut header, &path, io::empty());
        }
        if kind.is_symlink() || kind.is_hard_link() {
            let Some(target) = entry.link_name()?.map(std::borrow::Cow::into_owned) else { return Ok(()) };
            if kind.is_symlink() {
                return tar.append_link(&mut header, &path, target);
            }
            // To a file that came before, unless that was left out.
            let target = plain(&target)?.filter(|target| self.leaves(target));
            return target.map_or(Ok(()), |target| tar.append_link(&mut header, &path, target));
        }
        if kind.is_file() {
            header.set_entry_type(EntryType::Regular);
            header.set_size(entry.size());
            return tar.append_data(&mut header, &path, entry);
        }
        // Devices, FIFOs and the like.
        Ok(())
    }
}

/// A path below the root; none for the root itself.
fn plain(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(io::Error::other(format!("it has the odd path {}", path.display()))),
        }
    }
    Ok(Some(plain).filter(|plain| !plain.as_os_str().is_empty()))
}

#[cfg(test)]
mod tests;
