//! A root file system's folder as a tar stream, as the daemon takes it for an image.
//!
//! Owner and times are fixed, and no set-user-id bit is kept: the image depends on the files alone, and nothing in it
//! belongs to a user that a sandbox could become.

use std::fs::{DirEntry, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;
use tar::{Builder, EntryType, Header};
use tokio::sync::{mpsc, oneshot};

/// Bytes per piece of the stream.
const PIECE: usize = 256 << 10;
/// Pieces read ahead of the daemon.
const AHEAD: usize = 8;

/// The stream, and what became of reading the folder, which explains a stream that broke off.
pub(super) struct TarStream {
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
    pub outcome: oneshot::Receiver<io::Result<()>>,
}

/// Reads `folder` on a thread for blocking work, as far ahead as the reader allows.
pub(super) fn tar_stream(folder: PathBuf) -> TarStream {
    stream(move |pipe| write_tree(&folder, pipe))
}

/// What `write` writes, on a thread for blocking work.
pub(super) fn stream(write: impl FnOnce(Pipe) -> io::Result<()> + Send + 'static) -> TarStream {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let (done, outcome) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let result = write(Pipe(sender.clone()));
        if let Err(error) = &result {
            // Breaks the request off, or half a tree would become an image.
            drop(sender.blocking_send(Err(io::Error::other(error.to_string()))));
        }
        drop(done.send(result));
    });
    TarStream { pieces, outcome }
}

/// The pieces as a stream for a request's body.
pub(super) fn body(mut pieces: mpsc::Receiver<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::poll_fn(move |context| pieces.poll_recv(context))
}

/// Hands what is written to the reader of the stream.
pub(super) struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the whole tree; sockets, devices and FIFOs have no place in a root file system and are left out.
fn write_tree(folder: &Path, out: impl Write) -> io::Result<()> {
    whole(out, |tar| append_folder(tar, folder, Path::new("")))
}

/// Writes an archive that comes to its end only where `fill` succeeds.
pub(super) fn whole<W: Write>(
    out: W,
    fill: impl FnOnce(&mut Builder<BufWriter<Gate<W>>>) -> io::Result<()>,
) -> io::Result<()> {
    let gate = Gate { out, is_open: true };
    let mut tar = Builder::new(BufWriter::with_capacity(PIECE, gate));
    let written = fill(&mut tar);
    // A builder that is dropped writes the archive's end, and half a tree would be taken for a whole one.
    tar.get_mut().get_mut().is_open = written.is_ok();
    written?;
    tar.into_inner()?.flush()
}

/// Lets nothing through once it is shut.
pub(super) struct Gate<W> {
    out: W,
    is_open: bool,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_open { self.out.write(bytes) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Appends what is in `folder`, below `inside`.
pub(super) fn append_folder(tar: &mut Builder<impl Write>, folder: &Path, inside: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut entries: Vec<DirEntry> = std::fs::read_dir(folder).map_err(named)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let (path, inside) = (entry.path(), inside.join(entry.file_name()));
        let kind = entry.file_type()?;
        let mut header = header(entry.metadata()?.permissions().mode());
        if kind.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, &inside, std::fs::read_link(&path)?)?;
        } else if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            // `/tmp` is for everybody: what is mounted on it takes its mode.
            header.set_mode(entry.metadata()?.permissions().mode() & 0o1777);
            tar.append_data(&mut header, &inside, io::empty())?;
            append_folder(tar, &path, &inside)?;
        } else if kind.is_file() {
            let file = File::open(&path)?;
            header.set_entry_type(EntryType::Regular);
            header.set_size(file.metadata()?.len());
            tar.append_data(&mut header, &inside, file)?;
        }
    }
    Ok(())
}

/// Root's, from 1970, writable by nobody else.
pub(super) fn header(mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header.set_mode(mode & 0o755);
    header
}

#[cfg(test)]
mod tests;
