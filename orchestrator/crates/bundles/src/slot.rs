//! One runtime of the catalogue: what is known of it, and its bundle once somebody asked for it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::bundle::Bundle;
use crate::definition::{Definition, VersionEntry};
use crate::error::Error;
use crate::make::Recipe;
use crate::runtime_info::{RuntimeInfo, State};
use crate::shelf::{Kept, Shelf};
use crate::sources::Language;
use crate::toolchain::Toolchain;

/// One runtime.
#[derive(Debug)]
pub struct Slot {
    /// Such as `nodejs20`.
    pub name: String,
    /// Its version and end of life.
    pub entry: VersionEntry,
    language: Arc<Language>,
    toolchain: Option<Toolchain>,
    /// A bundle of an earlier life, where the toolchain is gone.
    kept: Option<Kept>,
    bundle: OnceCell<Arc<Bundle>>,
}

impl Slot {
    /// A runtime with the toolchain that was found, or what the shelf still has of it.
    pub fn new(
        language: Arc<Language>,
        entry: VersionEntry,
        toolchain: Option<Toolchain>,
        shelf: &Shelf,
    ) -> Self {
        let name = language.definition.runtime_name(&entry.version);
        let kept = if toolchain.is_none() { shelf.any(&name, &language) } else { None };
        Self { name, entry, language, toolchain, kept, bundle: OnceCell::new() }
    }

    /// Its language's definition.
    pub fn definition(&self) -> &Definition {
        &self.language.definition
    }

    /// Whether its bundle is there or can be made.
    pub fn is_ready(&self) -> bool {
        self.toolchain.is_some() || self.kept.is_some()
    }

    /// Whether it is the one for a function that names none.
    pub fn is_default(&self) -> bool {
        self.entry.version == self.definition().default
    }

    /// What is to be told of it.
    pub fn info(&self) -> RuntimeInfo {
        let version = self.toolchain.as_ref().map(|toolchain| &toolchain.version);
        RuntimeInfo {
            name: self.name.clone(),
            languages: self.definition().serves.clone(),
            version: self.entry.version.clone(),
            state: if self.is_ready() { State::Ready } else { State::Absent },
            end_of_life: self.entry.end_of_life,
            is_default: self.is_default(),
            toolchain: version.or(self.kept.as_ref().map(|kept| &kept.toolchain)).cloned(),
        }
    }

    /// Its bundle; a second caller waits for the first one's, and tries again where that failed.
    pub async fn bundle(self: Arc<Self>, shelf: &Arc<Shelf>) -> Result<Arc<Bundle>, Error> {
        let (slot, shelf) = (Arc::clone(&self), Arc::clone(shelf));
        let make = || async move {
            let path = slot.name.clone().into();
            // Copies files and runs compilers: seconds, on a thread of its own.
            let made = tokio::task::spawn_blocking(move || slot.make(&shelf)).await;
            made.unwrap_or_else(|panic| {
                Err(Error::Io { what: "making the bundle of", path, source: std::io::Error::other(panic) })
            })
        };
        self.bundle.get_or_try_init(make).await.cloned()
    }

    fn make(&self, shelf: &Shelf) -> Result<Arc<Bundle>, Error> {
        let kept = match (&self.toolchain, &self.kept) {
            (Some(toolchain), _) => {
                let recipe = Recipe {
                    language: &self.language,
                    runtime: &self.name,
                    version: &self.entry.version,
                    toolchain,
                    init: shelf.init(),
                };
                shelf.get_or_make(&recipe)?
            }
            (None, Some(kept)) => kept.clone(),
            (None, None) => {
                let path = self.name.clone().into();
                return Err(Error::Missing { runtime: self.name.clone(), path, why: "the toolchain" });
            }
        };
        let definition = Arc::new(self.definition().clone());
        Ok(Arc::new(kept.into_bundle(&self.name, definition)))
    }
}
