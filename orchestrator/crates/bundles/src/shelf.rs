//! Where bundles are kept: `bundles_dir/<runtime>-<key>/{run,build,bundle.json}`, complete or not there at all.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::FlockArg;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::command::Stop;
use crate::digest::Parts;
use crate::error::Error;
use crate::locked::{Locked, lock, share};
use crate::make::Recipe;
use crate::sources::Language;
use kept::Record;
pub use kept::{Kept, Over};

/// Counts changes of how bundles are made that no definition shows.
const FORMAT: &str = "3";

/// What is known of a bundle, in its folder; locked by processes that use the bundle.
pub const BUNDLE: &str = "bundle.json";

/// Folders that are being made begin so.
const UNFINISHED: &str = ".making-";

/// Locked, shared, by processes that make or remove a bundle; with a runtime's name behind it, by the one that makes that one's.
const LOCK: &str = ".lock";

/// The bundles of this machine.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    init: PathBuf,
    /// Ends the programs that make a bundle.
    stop: Stop,
    /// What of ours is laid over images, by language: what was asked for so far.
    pub(crate) overs: Mutex<BTreeMap<String, Over>>,
}

impl Shelf {
    /// Opens the folder, and removes what a crash left unfinished.
    pub fn open(folder: &Path, init: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
        let folder = folder.canonicalize().map_err(Error::io("finding", folder))?;
        let shelf = Self { folder, init, stop: Stop::default(), overs: Mutex::default() };
        // Where another process makes one just now, what is unfinished is that one's.
        if let Some(_alone) = unused(shelf.lock_file(LOCK)?) {
            for path in shelf.folders(UNFINISHED) {
                // A compiler of a service that was killed may still write there: the next start finds the rest.
                if let Err(error) = fs::remove_dir_all(&path) {
                    tracing::warn!(path = %path.display(), %error, "an unfinished bundle is left");
                }
            }
        }
        Ok(shelf)
    }

    /// The program that becomes `/cloudbox/init`.
    pub fn init(&self) -> &Path {
        &self.init
    }

    /// What ends the programs that make a bundle.
    pub const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Where bundles are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the same disk for what is not complete yet.
    pub fn staging(&self) -> Result<TempDir, Error> {
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.folder);
        made.map_err(Error::io("making a folder in", &self.folder))
    }

    /// A bundle of this runtime, whatever toolchain it was made from; none where the definition has changed since.
    pub fn any(&self, runtime: &str, language: &Language) -> Option<Kept> {
        let recipe = self.recipe(language).ok()?;
        let kept = self.folders(&format!("{runtime}-")).into_iter().filter_map(|path| Kept::read(&path));
        kept.into_iter().find(|kept| kept.record.recipe == recipe && kept.record.runtime == runtime)
    }

    /// The bundle of a recipe: as it is kept where it is whole, else made anew. Blocks while another process makes one.
    pub fn get_or_make(&self, recipe: &Recipe<'_>) -> Result<Kept, Error> {
        let digest = self.recipe(recipe.language)?;
        let folder = self.folder.join(format!("{}-{}", recipe.runtime, key(recipe, &digest)));
        if let Some(kept) = Kept::read(&folder).filter(Kept::is_whole) {
            return Ok(kept);
        }
        // Shared, so that nobody takes what is unfinished away; and one process at a time for each runtime alone, so
        // that a small bundle doesn't wait for a large one.
        let making = share(self.lock_file(LOCK)?);
        let _making = making.map_err(Error::io("locking", self.folder.join(LOCK)))?;
        let name = format!("{LOCK}-{}", recipe.runtime);
        let turn = lock(self.lock_file(&name)?, FlockArg::LockExclusive);
        let _turn = turn.map_err(Error::io("locking", self.folder.join(name)))?;
        match Kept::read(&folder) {
            Some(kept) if kept.is_whole() => return Ok(kept),
            Some(_) => {
                tracing::warn!(runtime.name = recipe.runtime, "the bundle is damaged: it is made again");
            }
            None => {}
        }
        self.make(recipe, digest, &folder)?;
        Kept::read(&folder).ok_or_else(|| Error::Missing {
            runtime: recipe.runtime.to_owned(),
            path: folder,
            why: "it was removed as soon as it was made",
        })
    }

    fn make(&self, recipe: &Recipe<'_>, digest: String, folder: &Path) -> Result<(), Error> {
        let started = std::time::SystemTime::now();
        let temporary = self.staging()?;
        let (run, build) = recipe.make(temporary.path())?;
        let bytes = run.bytes + build.as_ref().map_or(0, |build| build.bytes);
        let record = Record {
            runtime: recipe.runtime.to_owned(),
            toolchain: recipe.toolchain.version.clone(),
            recipe: digest,
            run,
            build,
        };
        let path = temporary.path().join(BUNDLE);
        let text = serde_json::to_vec_pretty(&record).map_err(|error| Error::Io {
            what: "writing",
            path: path.clone(),
            source: error.into(),
        })?;
        fs::write(&path, text).map_err(Error::io("writing", path))?;
        self.replace(recipe.runtime, temporary, folder)?;
        let duration_ms = started.elapsed().map_or(0, |taken| taken.as_millis());
        tracing::info!(runtime.name = recipe.runtime, bytes, duration_ms, "made a bundle");
        Ok(())
    }

    /// Puts a finished bundle into its place, and removes older ones of the same runtime that no process uses.
    fn replace(&self, runtime: &str, from: TempDir, to: &Path) -> Result<(), Error> {
        for path in self.folders(&format!("{runtime}-")) {
            let unused = File::open(path.join(BUNDLE)).map(unused);
            if path == to || !matches!(unused, Ok(None)) {
                self.clear(&path)?;
            }
        }
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(from.path(), open).map_err(Error::io("changing the mode of", from.path()))?;
        fs::rename(from.path(), to).map_err(Error::io("moving into place", to))?;
        // It is not where it was made any more.
        let _ = from.keep();
        Ok(())
    }

    /// Removes the bundles of a runtime that no process uses.
    pub fn remove(&self, runtime: &str) -> Result<(), Error> {
        for path in self.folders(&format!("{runtime}-")) {
            let Ok(file) = File::open(path.join(BUNDLE)) else { continue };
            let Some(_unused) = unused(file) else {
                return Err(Error::InUse { runtime: runtime.to_owned() });
            };
            self.clear(&path)?;
        }
        Ok(())
    }

    /// The bundles that none of these languages' recipes makes and no process uses, with their bytes.
    pub fn old<'l>(
        &self,
        languages: impl Iterator<Item = &'l Language>,
    ) -> Result<Vec<(String, u64)>, Error> {
        let mut recipes = BTreeMap::new();
        for language in languages {
            let name = &language.definition.language;
            if !recipes.contains_key(name) {
                recipes.insert(name.clone(), self.recipe(language)?);
            }
        }
        let old = self.folders("").into_iter().filter_map(|path| {
            let file = File::open(path.join(BUNDLE)).ok()?;
            let record: Record = serde_json::from_reader(&file).ok()?;
            let is_wanted = recipes.values().any(|recipe| *recipe == record.recipe);
            if is_wanted {
                return None;
            }
            unused(file)?;
            let bytes = record.run.bytes + record.build.map_or(0, |build| build.bytes);
            Some((path.file_name()?.to_str()?.to_owned(), bytes))
        });
        Ok(old.collect())
    }

    /// Removes a folder, unless a process uses it, and so has `lock` of it locked; false where one does.
    pub fn take_away(&self, name: &str, lock: &str) -> Result<bool, Error> {
        let path = self.folder.join(name);
        let Ok(file) = File::open(path.join(lock)) else { return Ok(true) };
        let Some(_unused) = unused(file) else { return Ok(false) };
        self.clear(&path)?;
        Ok(true)
    }

    /// Removes a folder. Its name goes at once: who comes now makes another one, and nobody finds half of it, even after a
    /// crash.
    fn clear(&self, path: &Path) -> Result<(), Error> {
        // Shared, so that no start removes the rest meanwhile.
        let removing = share(self.lock_file(LOCK)?);
        let _removing = removing.map_err(Error::io("locking", self.folder.join(LOCK)))?;
        let aside = self.staging()?;
        fs::rename(path, aside.path().join("gone")).map_err(Error::io("moving away", path))?;
        aside.close().map_err(Error::io("removing", path))
    }

    /// The digests of all roots here.
    pub fn roots(&self) -> BTreeSet<String> {
        let kept = self.folders("").into_iter().filter_map(|path| {
            let record = fs::read(path.join(BUNDLE)).ok()?;
            serde_json::from_slice::<Record>(&record).ok()
        });
        kept.flat_map(|record| std::iter::once(record.run.digest).chain(record.build.map(|made| made.digest)))
            .collect()
    }

    fn lock_file(&self, name: &str) -> Result<File, Error> {
        let path = self.folder.join(name);
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        file.map_err(Error::io("opening", path))
    }

    fn recipe(&self, language: &Language) -> Result<String, Error> {
        let mut parts = Parts::default();
        parts.add(FORMAT);
        for (path, bytes) in &language.files {
            parts.add(path.as_os_str().as_encoded_bytes()).add(bytes);
        }
        if self.init.is_file() {
            parts.add_file(&self.init)?;
        }
        Ok(parts.finish())
    }

    pub(crate) fn folders(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
}

/// A file that no process uses, kept from those that come; none where one does.
pub fn unused(file: File) -> Option<Locked> {
    lock(file, FlockArg::LockExclusiveNonblock).ok()
}

/// What a bundle is made from, in short: another toolchain or other certificates make another bundle.
fn key(recipe: &Recipe<'_>, digest: &str) -> String {
    let mut parts = Parts::default();
    parts.add(digest).add(recipe.version).add(&recipe.toolchain.version).add(&recipe.toolchain.identity);
    parts.add(recipe.toolchain.program.as_os_str().as_encoded_bytes());
    if let Some(metadata) = crate::base::certificates().and_then(|path| path.metadata().ok()) {
        parts.add(format!("{} {}", metadata.size(), metadata.mtime()));
    }
    let mut key = parts.finish();
    key.truncate(16);
    key
}
