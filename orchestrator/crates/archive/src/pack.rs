//! A folder's files become a `.tgz` that is the same for the same files: sorted, without times and owners.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::error::Error;

/// Writes `files`, which are regular files and told relative to `folder`, to `to`. Modes become 0644 or 0755.
///
/// # Errors
/// A file can't be read, or `to` can't be written.
pub fn pack(folder: &Path, files: &[PathBuf], to: impl Write) -> Result<(), Error> {
    let mut sorted: Vec<&PathBuf> = files.iter().collect();
    sorted.sort();
    let writing = |error| Error::io("writing", "an archive")(error);
    let mut builder = Builder::new(GzBuilder::new().mtime(0).write(to, Compression::default()));
    for relative in sorted {
        add(&mut builder, folder, relative).map_err(Error::io("packing", folder.join(relative)))?;
    }
    let mut to = builder.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(writing)?;
    to.flush().map_err(writing)
}

fn add(builder: &mut Builder<impl Write>, folder: &Path, relative: &Path) -> io::Result<()> {
    let file = File::open(folder.join(relative))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(metadata.len());
    header.set_mode(if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 });
    header.set_mtime(0);
    // A file that grows meanwhile is packed as it was, one that shrinks is told.
    let mut content = Exactly { left: metadata.len(), file };
    builder.append_data(&mut header, relative, &mut content)
}

/// So many bytes of a file.
struct Exactly {
    left: u64,
    file: File,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
