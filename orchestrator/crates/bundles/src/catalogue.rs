//! Every runtime that may be asked for, those that are here, and their bundles.

mod supported;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_types::Language;
use jiff::civil::Date;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::fetch::Toolchains;
use crate::image;
use crate::install::{self, Installation};
use crate::over;
use crate::runtime_info::RuntimeInfo;
use crate::shelf::{self, Shelf};
use crate::slot::Slot;
use crate::sources;
use crate::toolchain::{self, SearchPlaces};

/// Where things are and what is allowed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A folder of the form of the project's `runtimes`, in place of what is built in.
    pub runtimes_dir: Option<PathBuf>,
    /// Where bundles are kept. Made where it is not there.
    pub bundles_dir: PathBuf,
    /// The static program that becomes `/cloudbox/init`.
    pub init: PathBuf,
    /// Where toolchains are looked for.
    pub places: SearchPlaces,
    /// Where toolchains are fetched to, and how.
    pub toolchains: Toolchains,
    /// Whether only the very runtime asked for will do.
    pub is_strict: bool,
    /// Whether the driver can run images.
    pub has_images: bool,
    /// For warnings about ends of life.
    pub today: Date,
}

/// Which runtime serves a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its name.
    pub runtime: String,
    /// Sentences for the build logs.
    pub warnings: Vec<String>,
}

/// Every runtime.
#[derive(Debug)]
pub struct Catalogue {
    /// By language, oldest version first.
    slots: Vec<Arc<Slot>>,
    by_name: BTreeMap<String, Arc<Slot>>,
    shelf: Arc<Shelf>,
    toolchains: Arc<Toolchains>,
    is_strict: bool,
    today: Date,
}

impl Catalogue {
    /// Reads the definitions and looks for toolchains. Blocks for the time of a few `--version` calls.
    ///
    /// # Errors
    /// A wrong definition, or a bundles folder that can't be used.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let languages = match &settings.runtimes_dir {
            Some(folder) => sources::from_folder(folder)?,
            None => sources::embedded()?,
        };
        let shelf = Arc::new(Shelf::open(&settings.bundles_dir, settings.init)?);
        let toolchains = Arc::new(settings.toolchains);
        toolchains.open()?;
        let mut slots = Vec::new();
        for language in languages {
            let language = Arc::new(language);
            let mut found = toolchain::find(&language.definition, &settings.places);
            for entry in &language.definition.versions {
                let definition = &language.definition;
                let name = definition.runtime_name(&entry.version);
                // Who has installed one wants it, whatever else is here.
                let fetched = toolchains.program(&name, definition, entry);
                let fetched =
                    fetched.and_then(|program| toolchain::of_program(definition, &program, &entry.version));
                let has = match fetched {
                    Some(toolchain) => (Some(toolchain), true),
                    None => (found.remove(&entry.version), false),
                };
                let slot = Slot::new(Arc::clone(&language), entry.clone(), has, &shelf);
                if let Some(noted) = image::read(&toolchains, &name) {
                    slot.restore(noted, settings.has_images);
                }
                slots.push(Arc::new(slot));
            }
        }
        let by_name = slots.iter().map(|slot| (slot.name.clone(), Arc::clone(slot))).collect();
        Ok(Self { slots, by_name, shelf, toolchains, is_strict: settings.is_strict, today: settings.today })
    }

    /// Every runtime, by language, oldest version first.
    #[must_use]
    pub fn runtimes(&self) -> Vec<RuntimeInfo> {
        self.slots.iter().map(|slot| self.told(slot)).collect()
    }

    /// One runtime; none where there is none of this name.
    #[must_use]
    pub fn runtime(&self, name: &str) -> Option<RuntimeInfo> {
        self.by_name.get(name).map(|slot| self.told(slot))
    }

    fn told(&self, slot: &Slot) -> RuntimeInfo {
        let errand = self.toolchains.errand(&slot.name, slot.definition(), &slot.entry);
        let mut info = slot.info(errand.map(drop).map_err(|error| error.to_string()));
        let defaults = info.languages.iter().map(|language| self.default_runtime(*language));
        info.is_default = defaults.flatten().any(|name| name == info.name);
        info
    }

    /// Begins the installation of a runtime; none where it is here already, or is being installed.
    ///
    /// # Errors
    /// [`Error::NoSuch`], or [`Error::NotFetchable`].
    pub fn begin_install(&self, runtime: &str) -> Result<Option<Installation>, Error> {
        Installation::begin(self.slot(runtime)?, &self.shelf, &self.toolchains)
    }

    /// Removes a runtime that was installed. Blocks while its files are removed.
    ///
    /// # Errors
    /// [`Error::NoSuch`], [`Error::Own`], [`Error::InUse`] or [`Error::Installing`].
    pub fn remove(&self, runtime: &str) -> Result<(), Error> {
        install::remove(self.slot(runtime)?, &self.shelf, &self.toolchains)
    }

    pub(crate) fn slot(&self, runtime: &str) -> Result<&Arc<Slot>, Error> {
        self.by_name.get(runtime).ok_or_else(|| Error::NoSuch { runtime: runtime.to_owned() })
    }

    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    pub(crate) fn toolchains(&self) -> &Arc<Toolchains> {
        &self.toolchains
    }

    /// What is known of a language, whatever version of it.
    pub(crate) fn language(&self, language: Language) -> Result<Arc<sources::Language>, Error> {
        if language == Language::Custom {
            return image::custom().map(Arc::new);
        }
        let mut slots = self.slots.iter();
        let found = slots.find(|slot| slot.definition().serves.contains(&language));
        found.map(|slot| Arc::clone(&slot.language)).ok_or_else(|| Error::Unknown {
            requested: cloudbox_types::image::CUSTOM.to_owned(),
            language: language.to_string(),
            known: self.names(language),
        })
    }

    /// Names of the runtimes that may be asked for in this language, whether they are here or not.
    #[must_use]
    pub fn names(&self, language: Language) -> Vec<String> {
        self.of(language).map(|slot| slot.name.clone()).collect()
    }

    /// The languages that a runtime of this name serves; empty where there is none of this name.
    #[must_use]
    pub fn languages(&self, runtime: &str) -> Vec<Language> {
        self.by_name.get(runtime).map(|slot| slot.definition().serves.clone()).unwrap_or_default()
    }

    /// Decides which runtime serves: the one asked for; else, where that is allowed, the nearest newer one that is
    /// here.
    ///
    /// # Errors
    /// [`Error::Unknown`] where the name is none of this language's, [`Error::Unavailable`] where neither it nor a
    /// newer one is here.
    pub fn resolve(&self, language: Language, requested: Option<&str>) -> Result<Resolved, Error> {
        let requested = requested.or_else(|| self.default_runtime(language)).unwrap_or_default();
        let mut onwards = self.of(language).skip_while(|slot| slot.name != requested).peekable();
        let Some(wanted) = onwards.peek().copied() else {
            return Err(Error::Unknown {
                requested: requested.to_owned(),
                language: language.to_string(),
                known: self.names(language),
            });
        };
        let found = if self.is_strict {
            Some(wanted).filter(|slot| slot.is_ready())
        } else {
            onwards.find(|slot| slot.is_ready())
        };
        let found = found.ok_or_else(|| Error::Unavailable {
            requested: requested.to_owned(),
            language: language.to_string(),
            available: self
                .of(language)
                .filter(|slot| slot.is_ready())
                .map(|slot| slot.name.clone())
                .collect(),
            is_strict: self.is_strict,
        })?;
        Ok(Resolved { runtime: found.name.clone(), warnings: self.warnings(language, wanted, found) })
    }

    /// A runtime's bundle, made where it is not there yet: once, however many ask for it.
    ///
    /// # Errors
    /// No runtime of this name is here, or its bundle can't be made.
    pub async fn bundle(&self, runtime: &str) -> Result<Arc<Bundle>, Error> {
        let slot = self.by_name.get(runtime).filter(|slot| slot.is_ready());
        let slot = slot.ok_or_else(|| Error::Unavailable {
            requested: runtime.to_owned(),
            language: "any language".to_owned(),
            available: self
                .slots
                .iter()
                .filter(|slot| slot.is_ready())
                .map(|slot| slot.name.clone())
                .collect(),
            is_strict: true,
        })?;
        Arc::clone(slot).bundle(&self.shelf).await
    }

    /// Ends the programs that make bundles, with all that they started. Blocks until they are gone; no bundle is made after
    /// it.
    pub fn end(&self) {
        self.shelf.stop().order();
    }

    /// The digests of the roots of all bundles that are kept, whether they were used in this life or not.
    #[must_use]
    pub fn roots(&self) -> BTreeSet<String> {
        self.shelf.roots()
    }

    /// Bundles that are kept and that no runtime here can be made of any more, since a definition or the init has changed, and
    /// what is laid over images, with their bytes; those that a process uses are not among them.
    ///
    /// # Errors
    /// The init can't be read.
    pub fn old_bundles(&self) -> Result<Vec<(String, u64)>, Error> {
        let mut old = self.shelf.old(self.slots.iter().map(|slot| &*slot.language))?;
        old.extend(self.shelf.unused_overs());
        Ok(old)
    }

    /// Removes one of them; false where a process has begun to use it.
    ///
    /// # Errors
    /// Its files can't be removed.
    pub fn remove_bundle(&self, name: &str) -> Result<bool, Error> {
        let lock = if over::is_one(name) { over::LOCK } else { shelf::BUNDLE };
        self.shelf.take_away(name, lock)
    }

    fn of(&self, language: Language) -> impl Iterator<Item = &Slot> {
        let serves = move |slot: &&Arc<Slot>| slot.definition().serves.contains(&language);
        self.slots.iter().filter(serves).map(AsRef::as_ref)
    }
}
