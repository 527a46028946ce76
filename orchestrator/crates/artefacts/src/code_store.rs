//! The code store: one folder per artefact, named by its digest, complete or not there at all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_storage::{Error as StorageError, Hold, Holds, Kind};
use cloudbox_types::{Seal, Unsealed};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::artefact::{digest_of, files_of};
use crate::elsewhere::Elsewhere;
use crate::error::Error;
use crate::unfinished::{aside, names, remove_all, unshared_bytes};

/// What a folder that is being written, or is about to be removed, begins with.
const PREFIX: &str = ".taking-";

/// Where the runtimes' installers put dependencies.
const DEPENDENCIES: [&str; 2] = ["node_modules", ".packages"];

/// The artefacts of all versions.
#[derive(Debug)]
pub struct CodeStore {
    folder: PathBuf,
    /// Artefacts that no version has yet, by digest: how many deployments are about to make one. What was there
    /// before, or became a version's meanwhile, is not in it.
    tentative: Mutex<HashMap<String, usize>>,
    /// How each artefact looked when it was last read as a whole, and was right.
    sealed: Mutex<HashMap<String, Stamp>>,
    /// The object store that other nodes have theirs from.
    elsewhere: Option<Elsewhere>,
    holds: Arc<Holds>,
}

impl CodeStore {
    /// A store in this folder, which sends artefacts to an object store and fetches from there what it has not got.
    #[must_use]
    pub fn new(folder: PathBuf, elsewhere: Option<Elsewhere>, holds: Arc<Holds>) -> Self {
        Self { folder, tentative: Mutex::default(), sealed: Mutex::default(), elsewhere, holds }
    }

    pub(crate) const fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }

    /// The folder, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the same file system, to put an artefact together in.
    ///
    /// # Errors
    /// It can't be made.
    pub fn staging(&self) -> Result<TempDir, Error> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&self.folder);
        made.map_err(Error::io("making a folder in", &self.folder))
    }

    /// Removes what an earlier life was about to write.
    ///
    /// # Errors
    /// The folder can't be read, or something in it can't be removed.
    pub fn remove_unfinished(&self) -> Result<(), Error> {
        remove_all(&self.folder, PREFIX)
    }

    /// Keeps an artefact from being removed on this node, before it is put or after.
    #[must_use]
    pub fn hold(&self, digest: &str) -> Hold {
        self.holds.hold(Kind::Artefact, digest)
    }

    /// The same in the object store, too.
    ///
    /// # Errors
    /// Who shares the object store can't be told.
    pub async fn hold_everywhere(&self, digest: &str) -> Result<Hold, StorageError> {
        self.holds.hold_everywhere(Kind::Artefact, digest).await
    }

    /// The artefacts that are here.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<String>, Error> {
        names(&self.folder)
    }

    /// Bytes that are free again when an artefact is gone: those of its files that nothing else shares.
    #[must_use]
    pub fn bytes(&self, digest: &str) -> u64 {
        unshared_bytes(&self.folder.join(digest))
    }

    /// Takes an artefact's name away at once; the files are gone when what this gives is dropped.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn remove(&self, digest: &str) -> Result<TempDir, Error> {
        self.sealed.lock().remove(digest);
        self.tentative.lock().remove(digest);
        aside(&self.folder, digest, PREFIX)
    }

    /// Takes an artefact in. One of the same digest that is there already stays, unless it is damaged.
    ///
    /// # Errors
    /// It can't be moved or written to the disk.
    pub fn put(&self, digest: &str, staging: TempDir) -> Result<(), Error> {
        let target = self.folder.join(digest);
        let mut tentative = self.tentative.lock();
        if let Some(deployments) = tentative.get_mut(digest) {
            *deployments += 1;
            return Ok(());
        }
        let is_there = target.is_dir();
        if is_there && self.check(digest).is_ok() {
            return Ok(());
        }
        if is_there {
            tracing::warn!(digest, "a damaged artefact is replaced");
            // Its name is free at once, whatever is in it.
            drop(aside(&self.folder, digest, PREFIX)?);
        }
        sync_folders(staging.path())?;
        open_to_read(staging.path())?;
        fs::rename(staging.path(), &target).map_err(Error::io("moving into place", &target))?;
        // It is not where it was made any more.
        let _ = staging.keep();
        sync(&self.folder)?;
        // An artefact that a version had before is not given up with this deployment.
        if !is_there {
            tentative.insert(digest.to_owned(), 1);
        }
        drop(tentative);
        // Read as a whole here, and so not by the first call. Where it is not what it should be, that call is told.
        let _ = self.check(digest);
        Ok(())
    }

    /// Whether an artefact is what its digest says. Reads all of it the first time, and again when a file of it was
    /// touched; else it only looks at its files.
    ///
    /// # Errors
    /// How it differs, as a sentence without a path.
    pub fn check(&self, digest: &str) -> Result<(), String> {
        let folder = self.folder.join(digest);
        if !folder.is_dir() {
            return Err("it is missing".to_owned());
        }
        let before = stamp_of(&folder)?;
        if self.sealed.lock().get(digest) == Some(&before) {
            return Ok(());
        }
        let found = digest_of(&folder).map_err(|error| {
            tracing::warn!(digest, error = error.sentence(), "an artefact can't be read");
            "it can't be read".to_owned()
        })?;
        if found != digest {
            tracing::warn!(digest, found, "an artefact is damaged");
            return Err("its SHA-256 is another one".to_owned());
        }
        self.sealed.lock().insert(digest.to_owned(), before);
        Ok(())
    }

    /// The files of an artefact with their SHA-256, without those of its dependencies.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    pub fn files(&self, digest: &str) -> Result<BTreeMap<String, String>, Error> {
        files_of(&self.folder.join(digest), &DEPENDENCIES)
    }

    /// The same for one artefact, to be asked before its code is loaded.
    #[must_use]
    pub fn seal(self: &Arc<Self>, digest: &str) -> Arc<dyn Seal> {
        let hold = self.hold(digest);
        Arc::new(ArtefactSeal { store: Arc::clone(self), digest: digest.to_owned(), _hold: hold })
    }

    /// A version has the artefact now.
    pub fn keep(&self, digest: &str) {
        self.tentative.lock().remove(digest);
    }

    /// A deployment that put the artefact in made no version: it goes, unless somebody else has it.
    pub fn give_up(&self, digest: &str) {
        let mut tentative = self.tentative.lock();
        let Some(deployments) = tentative.get_mut(digest) else { return };
        *deployments -= 1;
        if *deployments == 0 {
            tentative.remove(digest);
            let path = self.folder.join(digest);
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "an artefact without a version could not be removed");
            }
        }
    }
}

#[derive(Debug)]
struct ArtefactSeal {
    store: Arc<CodeStore>,
    digest: String,
    /// Whoever runs a version, or is about to, has its seal.
    _hold: Hold,
}

impl Seal for ArtefactSeal {
    fn check(&self) -> Result<(), Unsealed> {
        self.store.have(&self.digest)
    }
}

/// Each file's path and what the file system knows of it: who writes into a file changes its times, whatever it sets
/// them to afterwards, since nobody sets the time of the last change of an inode.
type Stamp = Vec<(PathBuf, [i64; 6])>;

fn stamp_of(folder: &Path) -> Result<Stamp, String> {
    let unreadable = |error: &dyn std::error::Error| {
        tracing::warn!(folder = %folder.display(), error = %error, "an artefact can't be read");
        "it can't be read".to_owned()
    };
    let listing = cloudbox_bundles::digest::list(folder).map_err(|error| unreadable(&error))?;
    let stamp = |path: PathBuf| {
        let found = folder.join(&path).symlink_metadata().map_err(|error| unreadable(&error))?;
        // A file of dependencies is in other artefacts, too, and each further one changes that time.
        let changed = if found.nlink() > 1 { (0, 0) } else { (found.ctime(), found.ctime_nsec()) };
        #[expect(clippy::cast_possible_wrap, reason = "compared, never counted with")]
        let numbers = [
            found.ino() as i64,
            found.size() as i64,
            i64::from(found.mode()),
            found.mtime_nsec().wrapping_add(found.mtime().wrapping_mul(1_000_000_000)),
            changed.0,
            changed.1,
        ];
        Ok((path, if found.is_dir() { [0; 6] } else { numbers }))
    };
    listing.paths.into_iter().map(stamp).collect()
}

/// Sandboxes of any user look into an artefact.
fn open_to_read(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    for folder in folders(folder)? {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .map_err(Error::io("changing the mode of", &folder))?;
    }
    Ok(())
}

fn sync_folders(folder: &Path) -> Result<(), Error> {
    folders(folder)?.iter().try_for_each(|folder| sync(folder))
}

fn sync(path: &Path) -> Result<(), Error> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("writing", path))
}

/// A folder and those below it.
fn folders(top: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut all = vec![top.to_owned()];
    let mut next = 0;
    while let Some(folder) = all.get(next).cloned() {
        let entries = fs::read_dir(&folder).map_err(Error::io("reading", &folder))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        all.extend(paths.filter(|path| path.is_dir() && !path.is_symlink()));
        next += 1;
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
