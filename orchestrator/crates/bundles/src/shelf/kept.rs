//! What a process uses of the shelf: nobody removes it meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_sandbox::RootFs;
use serde::{Deserialize, Serialize};

use super::BUNDLE;
use crate::bundle::Bundle;
use crate::definition::Definition;
use crate::digest;
use crate::locked::{Locked, share};
use crate::make::Made;

/// A bundle on the shelf.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The whole version of its toolchain.
    pub toolchain: String,
    folder: PathBuf,
    pub(super) record: Record,
    /// Its `bundle.json`, locked as long as this process may use the bundle: nobody removes it meanwhile.
    in_use: Arc<Locked>,
}

/// `bundle.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub runtime: String,
    pub toolchain: String,
    /// SHA-256 of the definition, the files beside it and the init.
    pub recipe: String,
    pub run: Made,
    pub build: Option<Made>,
}

/// Our part of a language's images.
#[derive(Clone, Debug)]
pub struct Over {
    /// Its folder.
    pub path: PathBuf,
    /// The digest of what is in it.
    pub own: String,
    /// The folder, locked as long as this process may use it: nobody removes it meanwhile.
    pub in_use: Arc<Locked>,
}

impl Kept {
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let locked = share(File::open(folder.join(BUNDLE)).ok()?).ok()?;
        let record: Record = serde_json::from_reader(&*locked).ok()?;
        let toolchain = record.toolchain.clone();
        Some(Self { toolchain, folder: folder.to_owned(), record, in_use: Arc::new(locked) })
    }

    /// Whether all of it is there: a power cut may have left empty files.
    pub(super) fn is_whole(&self) -> bool {
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
            base: None,
        };
        let build = self.record.build.map(|made| RootFs {
            name: format!("{runtime}-build"),
            path: self.folder.join("build"),
            digest: made.digest,
            base: None,
        });
        let build = build.unwrap_or_else(|| run.clone());
        Bundle {
            runtime: runtime.to_owned(),
            toolchain: self.toolchain,
            run,
            build,
            definition,
            image: None,
            _in_use: Some(self.in_use),
        }
    }
}
