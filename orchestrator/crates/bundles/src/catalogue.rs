//! Every runtime that may be asked for, those that are here, and their bundles.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_types::Language;
use jiff::civil::Date;

use crate::bundle::Bundle;
use crate::error::Error;
use crate::runtime_info::RuntimeInfo;
use crate::shelf::Shelf;
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
    /// Whether only the very runtime asked for will do.
    pub is_strict: bool,
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
        let mut slots = Vec::new();
        for language in languages {
            let language = Arc::new(language);
            let mut found = toolchain::find(&language.definition, &settings.places);
            for entry in &language.definition.versions {
                let slot =
                    Slot::new(Arc::clone(&language), entry.clone(), found.remove(&entry.version), &shelf);
                slots.push(Arc::new(slot));
            }
        }
        let by_name = slots.iter().map(|slot| (slot.name.clone(), Arc::clone(slot))).collect();
        Ok(Self { slots, by_name, shelf, is_strict: settings.is_strict, today: settings.today })
    }

    /// Every runtime, by language, oldest version first.
    #[must_use]
    pub fn runtimes(&self) -> Vec<RuntimeInfo> {
        self.slots.iter().map(|slot| slot.info()).collect()
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

    /// The runtime for a function that names none.
    #[must_use]
    pub fn default_runtime(&self, language: Language) -> Option<&str> {
        self.of(language).find(|slot| slot.is_default()).map(|slot| slot.name.as_str())
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
        Ok(Resolved { runtime: found.name.clone(), warnings: self.warnings(requested, found) })
    }

    fn warnings(&self, requested: &str, found: &Slot) -> Vec<String> {
        let mut warnings = Vec::new();
        if found.name != requested {
            warnings.push(format!(
                "runtime {requested} is not on this machine; {} serves in its place",
                found.name
            ));
        }
        if let Some(end) = found.entry.end_of_life.filter(|end| *end < self.today) {
            warnings.push(format!("{} reached its end of life on {end}", found.name));
        }
        warnings
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

    fn of(&self, language: Language) -> impl Iterator<Item = &Slot> {
        let serves = move |slot: &&Arc<Slot>| slot.definition().serves.contains(&language);
        self.slots.iter().filter(serves).map(AsRef::as_ref)
    }
}
