//! Runtimes that are images: what of ours is laid over an image's files, and the bundles that come from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_sandbox::{Program, RootFs};
use cloudbox_types::{Image, Language, image};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::definition::Definition;
use crate::digest::Parts;
use crate::error::Error;
use crate::fetch::Toolchains;
use crate::over::{self, Over};
use crate::shelf::Shelf;
use crate::slot::Slot;
use crate::sources;
use crate::toolchain;

/// The runtime of programs that speak the protocol by themselves.
const CUSTOM: &str = include_str!("image/custom.toml");
/// Counts changes of what is made of an image that nothing else shows.
const FORMAT: &str = "image 1";

/// The language of images' own programs.
pub(crate) fn custom() -> Result<sources::Language, Error> {
    let definition = Definition::parse(CUSTOM)?;
    Ok(sources::Language { definition, files: [(PathBuf::from("custom.toml"), CUSTOM.into())].into() })
}

/// The bundle of a language in an image; `runtime` is what it is called.
pub(crate) fn bundle(
    shelf: &Shelf,
    language: &sources::Language,
    runtime: &str,
    image: &Image,
) -> Result<Bundle, Error> {
    if language.definition.has_build_root {
        return Err(Error::NotInImages { language: language.definition.language.clone() });
    }
    let Over { path, own, in_use } = over::of(shelf, language)?;
    let name = format!("image-{}", language.definition.language);
    let root = RootFs { name, path, digest: root_digest(image, &own), base: Some(image.id.clone()) };
    Ok(Bundle {
        runtime: runtime.to_owned(),
        toolchain: image.name.clone(),
        run: root.clone(),
        build: root,
        definition: Arc::new(language.definition.clone()),
        image: Some(image.clone()),
        _in_use: Some(in_use),
    })
}

/// The digest of the root that an image becomes with what is ours.
fn root_digest(image: &Image, own: &str) -> String {
    let mut parts = Parts::default();
    parts.add(FORMAT).add(&image.id).add(own);
    parts.finish()
}

impl Bundle {
    /// As it is started in an image: by a name that is looked for on the image's own search path.
    pub(crate) fn in_image(&self, mut program: Program) -> Program {
        let Some(image) = &self.image else { return program };
        if self.definition.serves.contains(&Language::Custom) {
            program.argv.clone_from(&image.argv);
            program.cwd = Some(image.workdir.clone()).filter(|folder| folder.starts_with('/'));
        } else if let Some(first) = program.argv.first_mut() {
            *first = first.rsplit('/').next().unwrap_or_default().to_owned();
        }
        let own = std::mem::take(&mut program.env);
        let variables = image.env.clone().into_iter().filter(|(name, _)| is_variable(name));
        program.env = variables.collect();
        for (name, value) in own {
            // Where an image has its programs only it knows; the rest of ours stands.
            if name != "PATH" || !program.env.contains_key("PATH") {
                program.env.insert(name, value);
            }
        }
        program
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

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

/// What is noted of a runtime that is an image.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Noted {
    pub image: Image,
    /// The whole version of its toolchain.
    pub version: String,
}

fn note(toolchains: &Toolchains, runtime: &str) -> Option<PathBuf> {
    toolchains.folder.as_ref().map(|folder| folder.join(format!("{runtime}.json")))
}

/// The image that was installed for a runtime.
pub(crate) fn read(toolchains: &Toolchains, runtime: &str) -> Option<Noted> {
    let text = fs::read(note(toolchains, runtime)?).ok()?;
    let noted = serde_json::from_slice(&text);
    noted.inspect_err(|error| tracing::warn!(runtime, %error, "the note of its image can't be read")).ok()
}

fn write(toolchains: &Toolchains, runtime: &str, image: &Image, version: &str) -> Result<(), Error> {
    let Some(path) = note(toolchains, runtime) else { return Ok(()) };
    let noted = Noted { image: image.clone(), version: version.to_owned() };
    let text = serde_json::to_vec_pretty(&noted).unwrap_or_default();
    let aside = path.with_extension("json.new");
    fs::write(&aside, text).map_err(Error::io("writing", &aside))?;
    fs::rename(&aside, &path).map_err(Error::io("moving into place", path))
}

/// Forgets it; whether there was something to forget.
pub(crate) fn remove(toolchains: &Toolchains, runtime: &str) -> Result<bool, Error> {
    let Some(path) = note(toolchains, runtime) else { return Ok(false) };
    match fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(Error::io("removing", path)),
    }
}
