//! What the catalogue knows of images: the bundles of functions' own, and images that become the toolchain of a runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudbox_sandbox::Program;
use cloudbox_types::{Image, Language, image};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::fetch::Toolchains;
use crate::image::{bundle, root_digest, write};
use crate::over;
use crate::shelf::Shelf;
use crate::slot::Slot;
use crate::sources;
use crate::toolchain;

impl Catalogue {
    /// The bundle of a function's own image.
    ///
    /// # Errors
    /// The language can't be run in an image, or our part of it can't be made.
    pub async fn image_bundle(&self, language: Language, image: &Image) -> Result<Arc<Bundle>, Error> {
        let shelf = Arc::clone(self.shelf());
        let (of, image) = (self.language(language)?, image.clone());
        let made = move || bundle(&shelf, &of, image::CUSTOM, &image).map(Arc::new);
        tokio::task::spawn_blocking(made).await.unwrap_or_else(|panic| {
            Err(Error::io("making the bundle of", "an image")(std::io::Error::other(panic)))
        })
    }

    /// The digests of the roots that these images become, and those of all runtimes that are images.
    ///
    /// # Errors
    /// Our part of one can't be made.
    pub fn image_roots(&self, images: &[(Language, Image)]) -> Result<BTreeSet<String>, Error> {
        let of_runtimes =
            self.slots().iter().filter_map(|slot| Some((Arc::clone(&slot.language), slot.image()?)));
        let mut all: Vec<(Arc<sources::Language>, Image)> = of_runtimes.collect();
        for (language, image) in images {
            all.push((self.language(*language)?, image.clone()));
        }
        let mut own = BTreeMap::new();
        let mut roots = BTreeSet::new();
        for (language, image) in all.iter().filter(|(language, _)| !language.definition.has_build_root) {
            let name = &language.definition.language;
            if !own.contains_key(name) {
                own.insert(name.clone(), over::of(self.shelf(), language)?.own);
            }
            roots.extend(own.get(name).map(|own| root_digest(image, own)));
        }
        Ok(roots)
    }

    /// Begins to make an image the toolchain of a runtime; whatever it has now serves meanwhile.
    ///
    /// # Errors
    /// There is no such runtime, it can't be an image's, or it is being installed.
    pub fn begin_image(&self, runtime: &str) -> Result<BaseInstallation, Error> {
        let slot = Arc::clone(self.slot(runtime)?);
        if slot.definition().has_build_root {
            return Err(Error::NotInImages { language: slot.definition().language.clone() });
        }
        if !slot.begin_anew() {
            return Err(Error::Installing { runtime: runtime.to_owned() });
        }
        let (shelf, toolchains) = (Arc::clone(self.shelf()), Arc::clone(self.toolchains()));
        Ok(BaseInstallation { slot, shelf, toolchains, is_over: false })
    }
}

/// An image that is about to become a runtime's toolchain; dropped before its end, it has failed.
#[derive(Debug)]
pub struct BaseInstallation {
    slot: Arc<Slot>,
    shelf: Arc<Shelf>,
    toolchains: Arc<Toolchains>,
    is_over: bool,
}

impl BaseInstallation {
    /// Says what it is at.
    pub fn note(&self, step: &str) {
        self.slot.note(step.to_owned());
    }

    /// The bundle that it would have, and the program that prints its version.
    ///
    /// # Errors
    /// Our part of it can't be made.
    pub fn bundle(&self, image: &Image) -> Result<(Bundle, Program), Error> {
        let bundle = bundle(&self.shelf, &self.slot.language, &self.slot.name, image)?;
        let start = self.slot.definition().start.argv.first().cloned();
        let argv = start.into_iter().chain(self.slot.definition().toolchain.version_args.clone());
        let program = bundle.in_image(bundle.plain(&argv.collect::<Vec<_>>()));
        Ok((bundle, program))
    }

    /// Makes it the runtime's, from now on and after the next start, where what its program printed says that it is of
    /// the runtime's version.
    ///
    /// # Errors
    /// It is of another version, or can't be noted.
    pub fn accept(mut self, image: &Image, printed: &str) -> Result<(), Error> {
        let wanted = &self.slot.entry.version;
        let found = toolchain::version_in(printed).unwrap_or_default();
        if !toolchain::is_of(wanted, &found) {
            let why = format!("its toolchain says {:?}, and {} is wanted", printed.trim(), self.slot.name);
            return Err(self.fail(Error::Base { image: image.name.clone(), why }));
        }
        if let Err(error) = write(&self.toolchains, &self.slot.name, image, &found) {
            return Err(self.fail(error));
        }
        self.is_over = true;
        self.slot.take_image(image.clone(), found);
        Ok(())
    }

    /// It failed; the runtime's state says why.
    pub fn fail<E: std::error::Error>(&mut self, error: E) -> E {
        self.is_over = true;
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        self.slot.fail(format!("{error}{cause}"));
        error
    }
}

impl Drop for BaseInstallation {
    fn drop(&mut self) {
        if !self.is_over {
            self.slot.fail("the installation was broken off; ask for it again".to_owned());
        }
    }
}
