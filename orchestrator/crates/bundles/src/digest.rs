//! SHA-256 of files and folders, in hex.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// A digest of parts, each with its length, so that no two lists of parts look alike.
#[derive(Debug, Default)]
pub struct Parts(Sha256);

impl Parts {
    /// Adds a part.
    pub fn add(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a file's content.
    ///
    /// # Errors
    /// It can't be read.
    pub fn add_file(&mut self, path: &Path) -> Result<&mut Self, Error> {
        let mut file = fs::File::open(path).map_err(Error::io("opening", path))?;
        let len = file.metadata().map_err(Error::io("reading", path))?.len();
        self.0.update(len.to_be_bytes());
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = file.read(&mut buffer).map_err(Error::io("reading", path))?;
            if read == 0 {
                return Ok(self);
            }
            self.0.update(&buffer[..read]);
        }
    }

    /// The digest in hex.
    #[must_use]
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Every file, folder and link below the folder, relative to it, sorted.
    pub paths: Vec<PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Lists a folder to the bottom, following no link.
///
/// # Errors
/// A folder can't be read.
pub fn list(folder: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    collect(folder, Path::new(""), &mut listing)?;
    listing.paths.sort();
    Ok(listing)
}

fn collect(folder: &Path, relative: &Path, listing: &mut Listing) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let metadata = entry.metadata().map_err(Error::io("reading", entry.path()))?;
        let path = relative.join(entry.file_name());
        if metadata.is_dir() {
            collect(&entry.path(), &path, listing)?;
        } else if metadata.is_file() {
            listing.bytes += metadata.len();
        }
        listing.paths.push(path);
    }
    Ok(())
}

/// The digest of a folder: paths, modes, contents and the targets of links.
///
/// # Errors
/// Something can't be read.
pub fn folder(folder: &Path, listing: &Listing) -> Result<String, Error> {
    let mut parts = Parts::default();
    for relative in &listing.paths {
        let path = folder.join(relative);
        let metadata = path.symlink_metadata().map_err(Error::io("reading", &path))?;
        parts.add(relative.as_os_str().as_encoded_bytes());
        parts.add(metadata.permissions().mode().to_be_bytes());
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(Error::io("reading", &path))?;
            parts.add(target.as_os_str().as_encoded_bytes());
        } else if metadata.is_file() {
            parts.add_file(&path)?;
        }
    }
    Ok(parts.finish())
}
