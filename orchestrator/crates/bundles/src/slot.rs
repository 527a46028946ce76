//! One runtime of the catalogue: what is known of it, and its bundle once somebody asked for it.

use std::sync::Arc;

use cloudbox_types::Image;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::bundle::Bundle;
use crate::definition::{Definition, VersionEntry};
use crate::error::Error;
use crate::image::{self, Noted};
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
    pub(crate) language: Arc<Language>,
    inner: Mutex<Inner>,
}

/// What changes when a toolchain is installed or removed.
#[derive(Debug, Default)]
struct Inner {
    toolchain: Option<Toolchain>,
    /// Whether it was fetched, and can be removed again.
    is_installed: bool,
    /// The image that is its toolchain, whatever else is here, and that one's whole version.
    image: Option<(Image, String)>,
    /// A bundle of an earlier life, where the toolchain is gone.
    kept: Option<Kept>,
    bundle: Arc<OnceCell<Arc<Bundle>>>,
    phase: Phase,
}

/// What an installation is at, or how the last one ended.
#[derive(Clone, Debug, Default)]
enum Phase {
    #[default]
    None,
    Installing(String),
    Failed(String),
}

impl Inner {
    fn is_ready(&self) -> bool {
        self.image.is_some() || self.toolchain.is_some() || self.kept.is_some()
    }

    /// The whole version of what serves.
    fn version(&self) -> Option<&String> {
        let own = self.toolchain.as_ref().map(|toolchain| &toolchain.version);
        let image = self.image.as_ref().map(|(_, version)| version);
        image.or(own).or(self.kept.as_ref().map(|kept| &kept.toolchain))
    }
}

impl Slot {
    /// A runtime with the toolchain that was found or fetched, or what the shelf still has of it.
    pub fn new(
        language: Arc<Language>,
        entry: VersionEntry,
        (toolchain, is_installed): (Option<Toolchain>, bool),
        shelf: &Shelf,
    ) -> Self {
        let name = language.definition.runtime_name(&entry.version);
        let kept = if toolchain.is_none() { shelf.any(&name, &language) } else { None };
        let inner = Mutex::new(Inner { toolchain, is_installed, kept, ..Inner::default() });
        Self { name, entry, language, inner }
    }

    /// Its language's definition.
    pub fn definition(&self) -> &Definition {
        &self.language.definition
    }

    /// Whether its bundle is there or can be made.
    pub fn is_ready(&self) -> bool {
        self.inner.lock().is_ready()
    }

    /// Whether its toolchain was fetched.
    pub fn is_installed(&self) -> bool {
        let inner = self.inner.lock();
        inner.is_installed || inner.image.is_some()
    }

    /// The image that is its toolchain, where one is.
    pub fn image(&self) -> Option<Image> {
        self.inner.lock().image.as_ref().map(|(image, _)| image.clone())
    }

    /// Whether it is its language's default.
    pub fn is_default(&self) -> bool {
        self.entry.version == self.definition().default
    }

    /// What is to be told of it; `installable` says whether it can be fetched, and else why not.
    pub fn info(&self, installable: Result<(), String>) -> RuntimeInfo {
        let inner = self.inner.lock();
        let (state, detail) = match (&inner.phase, installable) {
            (Phase::Installing(step), _) => (State::Installing, Some(step.clone())),
            (Phase::Failed(why), _) if inner.is_ready() => (State::Ready, Some(why.clone())),
            _ if inner.is_ready() => (State::Ready, None),
            (Phase::Failed(why), _) => (State::Failed, Some(why.clone())),
            (Phase::None, Ok(())) => (State::Installable, None),
            (Phase::None, Err(why)) => (State::Absent, Some(why)),
        };
        RuntimeInfo {
            name: self.name.clone(),
            languages: self.definition().serves.clone(),
            version: self.entry.version.clone(),
            state,
            detail,
            is_installed: inner.is_installed || inner.image.is_some(),
            end_of_life: self.entry.end_of_life,
            is_default: self.is_default(),
            image: inner.image.as_ref().map(|(image, _)| image.name.clone()),
            toolchain: inner.version().cloned(),
        }
    }

    /// Whether an installation may begin: it isn't here, and nobody else has begun one.
    pub fn begin(&self) -> bool {
        let mut inner = self.inner.lock();
        let is_free = inner.toolchain.is_none() && !matches!(inner.phase, Phase::Installing(_));
        if is_free {
            inner.phase = Phase::Installing("waiting".to_owned());
        }
        is_free
    }

    /// Whether an installation may begin in place of what is here: nobody else has begun one.
    pub fn begin_anew(&self) -> bool {
        let mut inner = self.inner.lock();
        let is_free = !matches!(inner.phase, Phase::Installing(_));
        if is_free {
            inner.phase = Phase::Installing("waiting".to_owned());
        }
        is_free
    }

    /// That nobody installs it just now.
    ///
    /// # Errors
    /// Somebody does.
    pub fn check_settled(&self) -> Result<(), Error> {
        match self.inner.lock().phase {
            Phase::Installing(_) => Err(Error::Installing { runtime: self.name.clone() }),
            Phase::None | Phase::Failed(_) => Ok(()),
        }
    }

    /// An image is its toolchain from now on.
    pub fn take_image(&self, image: Image, version: String) {
        let mut inner = self.inner.lock();
        inner.image = Some((image, version));
        inner.bundle = Arc::default();
        inner.phase = Phase::None;
    }

    /// The image of an earlier life, where the driver can run it; else its state says why not.
    pub fn restore(&self, noted: Noted, has_images: bool) {
        if has_images {
            return self.take_image(noted.image, noted.version);
        }
        let name = &noted.image.name;
        tracing::warn!(runtime.name = self.name, image = name, "its image needs the Docker driver");
        self.fail(format!(
            "it was installed from the image {name}, which the native driver can't run: start the service with \
             `--sandbox docker`, or install the toolchain"
        ));
    }

    /// Says what the installation is at.
    pub fn note(&self, step: String) {
        let mut inner = self.inner.lock();
        if let Phase::Installing(now) = &mut inner.phase {
            *now = step;
        }
    }

    /// The installation ended without a toolchain.
    pub fn fail(&self, why: String) {
        self.inner.lock().phase = Phase::Failed(why);
    }

    /// The toolchain is here, and its bundle is made.
    pub fn install(&self, toolchain: Toolchain, bundle: Arc<Bundle>) {
        let cell = Arc::new(OnceCell::new_with(Some(bundle)));
        *self.inner.lock() =
            Inner { toolchain: Some(toolchain), is_installed: true, bundle: cell, ..Inner::default() };
    }

    /// Forgets the image, unless somebody uses it; whether there was one. What was there before serves again.
    ///
    /// # Errors
    /// Somebody does.
    pub fn forget_image(&self) -> Result<bool, Error> {
        let mut inner = self.inner.lock();
        if inner.image.is_none() {
            return Ok(false);
        }
        if inner.bundle.get().is_some_and(|bundle| Arc::strong_count(bundle) > 1) {
            return Err(Error::InUse { runtime: self.name.clone() });
        }
        (inner.image, inner.bundle, inner.phase) = (None, Arc::default(), Phase::None);
        Ok(true)
    }

    /// Forgets the toolchain that was fetched, and its bundle, unless somebody uses that.
    ///
    /// # Errors
    /// Somebody does.
    pub fn forget(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        if inner.bundle.get().is_some_and(|bundle| Arc::strong_count(bundle) > 1) {
            return Err(Error::InUse { runtime: self.name.clone() });
        }
        *inner = Inner::default();
        Ok(())
    }

    /// Its bundle; a second caller waits for the first one's, and tries again where that failed.
    pub async fn bundle(self: Arc<Self>, shelf: &Arc<Shelf>) -> Result<Arc<Bundle>, Error> {
        let (cell, image, toolchain, kept) = {
            let inner = self.inner.lock();
            let image = inner.image.as_ref().map(|(image, _)| image.clone());
            (Arc::clone(&inner.bundle), image, inner.toolchain.clone(), inner.kept.clone())
        };
        let make = || async {
            if let Some(image) = image {
                return image::bundle(shelf, &self.language, &self.name, &image).map(Arc::new);
            }
            match (toolchain, kept) {
                (Some(toolchain), _) => Arc::clone(&self).make(toolchain, shelf).await,
                (None, Some(kept)) => Ok(self.of_kept(kept)),
                (None, None) => {
                    let path = self.name.clone().into();
                    Err(Error::Missing { runtime: self.name.clone(), path, why: "the toolchain" })
                }
            }
        };
        cell.get_or_try_init(make).await.cloned()
    }

    /// Makes the bundle from a toolchain, where the shelf has none of it.
    pub async fn make(
        self: Arc<Self>,
        toolchain: Toolchain,
        shelf: &Arc<Shelf>,
    ) -> Result<Arc<Bundle>, Error> {
        let (slot, shelf) = (Arc::clone(&self), Arc::clone(shelf));
        // Copies files and runs compilers: seconds, on a thread of its own.
        let made = tokio::task::spawn_blocking(move || {
            let recipe = Recipe {
                language: &slot.language,
                runtime: &slot.name,
                version: &slot.entry.version,
                toolchain: &toolchain,
                init: shelf.init(),
                stop: shelf.stop(),
            };
            shelf.get_or_make(&recipe)
        });
        let path = self.name.clone();
        let made = made.await.unwrap_or_else(|panic| {
            Err(Error::io("making the bundle of", path)(std::io::Error::other(panic)))
        });
        made.map(|kept| self.of_kept(kept))
    }

    fn of_kept(&self, kept: Kept) -> Arc<Bundle> {
        Arc::new(kept.into_bundle(&self.name, Arc::new(self.definition().clone())))
    }
}
