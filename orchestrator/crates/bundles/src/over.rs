//! What of ours is laid over every image of a language: a folder of the shelf, made when it is needed and gone when no
//! process uses it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base;
use crate::definition::Root;
use crate::digest;
use crate::error::Error;
use crate::locked::{Locked, share};
use crate::shelf::{Over, Shelf, unused};
use crate::sources;
use crate::tree::Tree;

/// What names of these folders begin with.
const PREFIX: &str = "over-";

/// What of such a folder processes lock that use it: the folder itself.
pub const LOCK: &str = ".";

/// Our part of a language's images, the same for as long as the process lives.
pub fn of(shelf: &Shelf, language: &sources::Language) -> Result<Over, Error> {
    let name = &language.definition.language;
    let mut known = shelf.overs.lock();
    if let Some(over) = known.get(name) {
        return Ok(over.clone());
    }
    let over = loop {
        if let Some(over) = make(shelf, language)? {
            break over;
        }
    };
    known.insert(name.clone(), over.clone());
    Ok(over)
}

/// Puts the folder in place where it isn't there; none where it was removed in the moment that it was found.
fn make(shelf: &Shelf, language: &sources::Language) -> Result<Option<Over>, Error> {
    let name = &language.definition.language;
    let staging = shelf.staging()?;
    let tree = lay(staging.path().join("over"), shelf.init(), language)?;
    let own = digest::folder(tree.path(), &digest::list(tree.path())?)?;
    let path = shelf.folder().join(format!("{PREFIX}{name}-{}", &own[..16]));
    let ours = locked(tree.path())?;
    let in_use = match fs::rename(tree.path(), &path) {
        Ok(()) => ours,
        // Made before, by this release or another process.
        Err(_) if path.is_dir() => match locked(&path) {
            Err(_) if !path.is_dir() => return Ok(None),
            there => there?,
        },
        Err(error) => return Err(Error::io("moving into place", &path)(error)),
    };
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let held = in_use.metadata().map(identity).map_err(Error::io("reading", &path))?;
    let is_there = fs::metadata(&path).is_ok_and(|found| identity(found) == held);
    Ok(is_there.then(|| Over { path, own, in_use: Arc::new(in_use) }))
}

fn locked(folder: &Path) -> Result<Locked, Error> {
    let file = File::open(folder).map_err(Error::io("opening", folder))?;
    share(file).map_err(Error::io("locking", folder))
}

fn lay(to: PathBuf, init: &Path, language: &sources::Language) -> Result<Tree, Error> {
    let mut tree = Tree::create(to)?;
    base::lay_over_image(&mut tree)?;
    for file in language.definition.file.iter().filter(|file| file.root == Root::Run) {
        for (to, bytes) in language.place(&file.from, &file.to) {
            tree.file(to, bytes, false)?;
        }
    }
    let bytes = fs::read(init).map_err(Error::io("reading", init))?;
    tree.file("/cloudbox/init", &bytes, true)?;
    Ok(tree)
}

/// Whether a folder of the shelf is one of these.
pub fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX)
}

impl Shelf {
    /// The folders that no process uses, with their bytes: whoever needs one again makes it in a moment.
    pub fn unused_overs(&self) -> Vec<(String, u64)> {
        let unused = self.folders(PREFIX).into_iter().filter_map(|path| {
            unused(File::open(&path).ok()?)?;
            let bytes = digest::list(&path).map_or(0, |listing| listing.bytes);
            Some((path.file_name()?.to_str()?.to_owned(), bytes))
        });
        unused.collect()
    }
}
