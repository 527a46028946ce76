//! Where bundles are kept: `bundles_dir/<runtime>-<key>/{run,build,bundle.json}`, complete or not there at all.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_sandbox::RootFs;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::definition::Definition;
use crate::digest::{self, Parts};
use crate::error::Error;
use crate::make::{Made, Recipe};
use crate::sources::Language;

/// Counts changes of how bundles are made that no definition shows.
const FORMAT: &str = "2";

/// Folders that are being made begin so.
const UNFINISHED: &str = ".making-";

/// The bundles of this machine.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    init: PathBuf,
}

/// A bundle on the shelf.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The whole version of its toolchain.
    pub toolchain: String,
    folder: PathBuf,
    record: Record,
}

/// `bundle.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    runtime: String,
    toolchain: String,
    /// SHA-256 of the definition, the files beside it and the init.
    recipe: String,
    run: Made,
    build: Option<Made>,
}

impl Shelf {
    /// Opens the folder, and removes what a crash left unfinished.
    pub fn open(folder: &Path, init: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
        let folder = folder.canonicalize().map_err(Error::io("finding", folder))?;
        let shelf = Self { folder, init };
        for path in shelf.folders(UNFINISHED) {
            fs::remove_dir_all(&path).map_err(Error::io("removing", path))?;
        }
        Ok(shelf)
    }

    /// The program that becomes `/cloudbox/init`.
    pub fn init(&self) -> &Path {
        &self.init
    }

    /// A bundle of this runtime, whatever toolchain it was made from; none where the definition has changed since.
    pub fn any(&self, runtime: &str, language: &Language) -> Option<Kept> {
        let recipe = self.recipe(language).ok()?;
        let kept = self.folders(&format!("{runtime}-")).into_iter().filter_map(|path| Kept::read(&path));
        kept.into_iter().find(|kept| kept.record.recipe == recipe && kept.record.runtime == runtime)
    }

    /// The bundle of a recipe: as it is kept where it is whole, else made anew.
    pub fn get_or_make(&self, recipe: &Recipe<'_>) -> Result<Kept, Error> {
        let digest = self.recipe(recipe.language)?;
        let folder = self.folder.join(format!("{}-{}", recipe.runtime, key(recipe, &digest)));
        if let Some(kept) = Kept::read(&folder) {
            if kept.is_whole() {
                return Ok(kept);
            }
            tracing::warn!(runtime.name = recipe.runtime, "the bundle was damaged, so it is made again");
        }
        let started = std::time::SystemTime::now();
        let temporary = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(Error::io("making a folder in", &self.folder))?;
        let (run, build) = recipe.make(temporary.path())?;
        let record = Record {
            runtime: recipe.runtime.to_owned(),
            toolchain: recipe.toolchain.version.clone(),
            recipe: digest,
            run,
            build,
        };
        let text = serde_json::to_vec_pretty(&record).map_err(|error| Error::Io {
            what: "writing",
            path: temporary.path().join("bundle.json"),
            source: error.into(),
        })?;
        let path = temporary.path().join("bundle.json");
        fs::write(&path, text).map_err(Error::io("writing", path))?;
        self.replace(recipe.runtime, &temporary.keep(), &folder)?;
        let bytes = record.run.bytes + record.build.as_ref().map_or(0, |build| build.bytes);
        let duration_ms = started.elapsed().map_or(0, |taken| taken.as_millis());
        tracing::info!(runtime.name = recipe.runtime, bytes, duration_ms, "made a bundle");
        Ok(Kept { toolchain: record.toolchain.clone(), folder, record })
    }

    /// Puts a finished bundle into its place; older ones of the same runtime serve nobody any more.
    fn replace(&self, runtime: &str, from: &Path, to: &Path) -> Result<(), Error> {
        for path in self.folders(&format!("{runtime}-")) {
            fs::remove_dir_all(&path).map_err(Error::io("removing", path))?;
        }
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(from, open).map_err(Error::io("changing the mode of", from))?;
        fs::rename(from, to).map_err(Error::io("moving into place", to))
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

    fn folders(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        let mut paths: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
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

impl Kept {
    fn read(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join("bundle.json")).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        Some(Self { toolchain: record.toolchain.clone(), folder: folder.to_owned(), record })
    }

    /// Whether all of it is there: a power cut may have left empty files.
    fn is_whole(&self) -> bool {
        let is_same = |name: &str, made: &Made| {
            digest::list(&self.folder.join(name))
                .is_ok_and(|listing| listing.paths.len() == made.entries && listing.bytes == made.bytes)
        };
        is_same("run", &self.record.run)
            && self.record.build.as_ref().is_none_or(|made| is_same("build", made))
    }

    /// The bundle, ready for use.
    pub fn into_bundle(self, runtime: &str, definition: Arc<Definition>) -> Bundle {
        let run = RootFs {
            name: runtime.to_owned(),
            path: self.folder.join("run"),
            digest: self.record.run.digest,
        };
        let build = self.record.build.map(|made| RootFs {
            name: format!("{runtime}-build"),
            path: self.folder.join("build"),
            digest: made.digest,
        });
        let build = build.unwrap_or_else(|| run.clone());
        Bundle { runtime: runtime.to_owned(), toolchain: self.toolchain, run, build, definition }
    }
}
