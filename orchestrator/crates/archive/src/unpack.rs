//! An archive becomes a folder, whole or not at all.

use std::fs::{File, Permissions};
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Refused};
use crate::limits::{Limits, Names};
use crate::meter::Meter;
use crate::tree::Tree;
use crate::{tarball, zip};

/// What a folder that is being filled begins with.
pub const PREFIX: &str = ".unpacking-";

/// The folder that npm puts everything in.
const WRAPPER: &str = "package";

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tar in gzip.
    Tgz,
    /// A zip.
    Zip,
}

impl Format {
    /// What an archive with these first four bytes is; none for anything else.
    #[must_use]
    pub fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, ..] => Some(Self::Tgz),
            // The second one is of a zip without entries.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ => None,
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Tgz => "application/gzip",
            Self::Zip => "application/zip",
        }
    }

    /// What a file's name ends with, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Tgz => "tgz",
            Self::Zip => "zip",
        }
    }
}

/// An archive's content, removed when dropped.
#[derive(Debug)]
pub struct Unpacked {
    /// Mode 0700. Folders below have that too, files have 0644 or 0755.
    pub folder: TempDir,
    /// Where the content is: the folder, or what npm put around everything.
    pub root: PathBuf,
    /// Its files.
    pub files: usize,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Unpacks the archive at `path` into a new folder in `parent`. Reads and writes files of this machine: not for a
/// thread that others wait for.
///
/// # Errors
/// What is wrong with the archive, or with this machine's files; nothing is left then.
pub fn unpack(path: &Path, parent: &Path, limits: &Limits) -> Result<Unpacked, Error> {
    let mut file = File::open(path).map_err(Error::io("opening", path))?;
    let bytes = file.metadata().map_err(Error::io("reading", path))?.len();
    if bytes > limits.archive_bytes {
        return Err(Refused::ArchiveBytes { bytes, limit: limits.archive_bytes }.into());
    }
    let mut first = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut first).map_err(Error::io("reading", path))?;
    file.rewind().map_err(Error::io("reading", path))?;
    let format = Format::of(&first).ok_or(Refused::Format)?;
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(Error::io("making a folder in", parent))?;
    let meter = Meter::new(*limits);
    let mut tree = Tree::new(folder.path(), *limits, &meter)?;
    match format {
        Format::Tgz => tarball::unpack(file, limits, &meter, &mut tree)?,
        Format::Zip => zip::unpack(file, bytes, limits, &meter, &mut tree)?,
    }
    let (files, bytes) = (tree.files, tree.bytes);
    if files == 0 && limits.names == Names::Portable {
        return Err(Refused::Empty.into());
    }
    let is_wrapped = limits.names == Names::Portable;
    let root = is_wrapped.then(|| wrapped(folder.path())).flatten();
    let root = root.unwrap_or_else(|| folder.path().to_owned());
    Ok(Unpacked { folder, root, files, bytes })
}

/// The folder `package`, where there is nothing else.
fn wrapped(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?;
    let only = entries.next()?.ok()?;
    let is_wrapper = only.file_name() == WRAPPER && only.file_type().ok()?.is_dir();
    (is_wrapper && entries.next().is_none()).then(|| only.path())
}
