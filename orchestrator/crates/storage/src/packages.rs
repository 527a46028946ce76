//! Packages: one file each, named by the SHA-256 of the bytes that were uploaded.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_archive::{Format, Limits, PREFIX as UNPACKING, unpack};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::digest::{hex, is_digest, of_file};
use crate::error::Error;
use crate::holds::{Hold, Holds, Kind};
use crate::remote::Remote;

/// What a file that is being received begins with.
const RECEIVING: &str = ".receiving-";
/// Where packages are in the object store.
pub const PACKAGES: &str = "packages";

/// A package that is kept, and not removed as long as this lives.
#[derive(Clone, Debug)]
pub struct Package {
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
    /// Its bytes.
    pub bytes: u64,
    /// What it is.
    pub format: Format,
    /// Files in it.
    pub files: usize,
    _hold: Arc<Hold>,
}

/// The packages of all functions.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
    /// Where all nodes find them.
    remote: Option<Arc<Remote>>,
    holds: Arc<Holds>,
    /// Held by whoever fetches one from there.
    fetching: tokio::sync::Mutex<()>,
    limits: Limits,
    /// How many may be received at once: each takes its bytes on the disk twice.
    receiving: Arc<Semaphore>,
}

/// A package on its way in. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    file: tokio::fs::File,
    spool: NamedTempFile,
    sum: Sha256,
    bytes: u64,
    limit: u64,
    _place: OwnedSemaphorePermit,
}

impl Packages {
    /// Packages in this folder, which is made where it is not there; what an earlier life was about to write is
    /// removed.
    ///
    /// # Errors
    /// The folder can't be made or read.
    pub fn open(
        folder: &Path,
        limits: Limits,
        at_once: usize,
        (remote, holds): (Option<Arc<Remote>>, Arc<Holds>),
    ) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
        let folder = folder.canonicalize().map_err(Error::io("finding", folder))?;
        for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
            let path = entry.map_err(Error::io("reading", &folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let removed = if name.starts_with(RECEIVING) {
                fs::remove_file(&path)
            } else if name.starts_with(UNPACKING) {
                fs::remove_dir_all(&path)
            } else {
                continue;
            };
            removed.map_err(Error::io("removing", &path))?;
        }
        let receiving = Arc::new(Semaphore::new(at_once));
        Ok(Self { folder, remote, holds, fetching: tokio::sync::Mutex::default(), limits, receiving })
    }

    /// The limits of a package.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins to receive one.
    ///
    /// # Errors
    /// Too many are being received; no file can be made.
    pub fn receive(&self) -> Result<Upload, Error> {
        let place = Arc::clone(&self.receiving).try_acquire_owned().map_err(|_| Error::Busy)?;
        let spool = tempfile::Builder::new().prefix(RECEIVING).tempfile_in(&self.folder);
        let spool = spool.map_err(Error::io("making a file in", &self.folder))?;
        let file = spool.reopen().map_err(Error::io("opening", spool.path()))?;
        let (sum, limit) = (Sha256::new(), self.limits.archive_bytes);
        Ok(Upload { file: file.into(), spool, sum, bytes: 0, limit, _place: place })
    }

    /// Keeps what was received, if all of it can be unpacked.
    ///
    /// # Errors
    /// What is wrong with it, or with this machine's files. Nothing of it is kept then.
    pub async fn keep(&self, upload: Upload) -> Result<Package, Error> {
        let Upload { mut file, spool, sum, bytes, _place, .. } = upload;
        let written = match file.flush().await {
            Ok(()) => file.sync_all().await,
            failed => failed,
        };
        written.map_err(Error::io("writing", spool.path()))?;
        let (digest, limits, folder) = (hex(sum), self.limits, self.folder.clone());
        // Until a function refers to it.
        let hold = Arc::new(self.hold(&digest).await?);
        let package = apart(move || {
            let content = unpack(spool.path(), &folder, &limits)?;
            let files = content.files;
            drop(content);
            let format = format_of(spool.path())?;
            let target = folder.join(&digest);
            // Over one that is there: the bytes are the same, or those that are there are damaged.
            spool.persist(&target).map_err(|error| Error::io("writing", &target)(error.error))?;
            let synced = fs::File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(Error::io("writing", &folder))?;
            Ok(Package { digest, bytes, format, files, _hold: hold })
        })
        .await?;
        // Before anybody can refer to it: any node may be the one that builds it.
        if let Some(remote) = &self.remote {
            remote.put(PACKAGES, &package.digest, &self.folder.join(&package.digest)).await?;
        }
        Ok(package)
    }

    /// Keeps a package from being removed, here and in the object store.
    ///
    /// # Errors
    /// Who shares the object store can't be told.
    pub async fn hold(&self, digest: &str) -> Result<Hold, Error> {
        self.holds.hold_everywhere(Kind::Package, digest).await
    }

    /// The packages that are here, with their bytes.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<(String, u64)>, Error> {
        let entries = fs::read_dir(&self.folder).map_err(Error::io("reading", &self.folder))?;
        let packages = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| is_digest(name))?;
            Some((name, entry.metadata().ok()?.len()))
        });
        Ok(packages.collect())
    }

    /// Removes a package here; who has opened it reads it to its end.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, digest: &str) -> Result<(), Error> {
        let path = self.folder.join(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("removing", &path)(error)),
            _ => Ok(()),
        }
    }

    /// A package's file, all of it compared with its SHA-256; fetched from the object store where it is not here as it
    /// should be.
    ///
    /// # Errors
    /// It is nowhere, or is something else; the object store can't be used.
    pub async fn find(&self, digest: &str) -> Result<PathBuf, Error> {
        let found = self.find_here(digest).await;
        let (Some(remote), Err(Error::Missing { .. } | Error::Damaged { .. })) = (&self.remote, &found)
        else {
            return found;
        };
        let _turn = self.fetching.lock().await;
        if let Ok(path) = self.find_here(digest).await {
            return Ok(path);
        }
        let folder = tempfile::Builder::new().prefix(UNPACKING).tempdir_in(&self.folder);
        let folder = folder.map_err(Error::io("making a folder in", &self.folder))?;
        let fetched = folder.path().join("package");
        remote.get(PACKAGES, digest, &fetched, self.limits.archive_bytes).await?;
        let (digest, target) = (digest.to_owned(), self.folder.join(digest));
        apart(move || {
            if of_file(&fetched).map_err(Error::io("reading", &fetched))? != digest {
                tracing::error!(digest, "the object store has another package under this SHA-256");
                return Err(Error::Damaged { digest });
            }
            fs::rename(&fetched, &target).map_err(Error::io("moving into place", &target))?;
            drop(folder);
            Ok(target)
        })
        .await
    }

    async fn find_here(&self, digest: &str) -> Result<PathBuf, Error> {
        let digest = digest.to_owned();
        if !is_digest(&digest) {
            return Err(Error::Missing { digest });
        }
        let path = self.folder.join(&digest);
        apart(move || match of_file(&path) {
            Ok(found) if found == digest => Ok(path),
            Ok(found) => {
                tracing::error!(digest, found, "a package is damaged");
                Err(Error::Damaged { digest })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Missing { digest }),
            Err(error) => Err(Error::io("reading", &path)(error)),
        })
        .await
    }
}

impl Upload {
    /// Takes in the next piece.
    ///
    /// # Errors
    /// It gets too long, or can't be written.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.limit {
            let (bytes, limit) = (self.bytes, self.limit);
            return Err(cloudbox_archive::Refused::ArchiveBytes { bytes, limit }.into());
        }
        self.sum.update(piece);
        self.file.write_all(piece).await.map_err(Error::io("writing", self.spool.path()))
    }

    /// Bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a kept package is, by its first bytes.
///
/// # Errors
/// It can't be read, or is neither of the two.
pub fn format_of(path: &Path) -> Result<Format, Error> {
    use std::io::Read as _;
    let mut first = Vec::with_capacity(4);
    let file = fs::File::open(path).map_err(Error::io("opening", path))?;
    file.take(4).read_to_end(&mut first).map_err(Error::io("reading", path))?;
    Ok(Format::of(&first).ok_or(cloudbox_archive::Refused::Format)?)
}

/// Runs work on files apart from everything else.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(Error::io("unpacking", "a package")(panic.into())))
}
