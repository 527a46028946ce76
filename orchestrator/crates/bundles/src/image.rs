//! Runtimes that are images: the bundles that come from them, and what is noted of them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_sandbox::{Program, RootFs};
use cloudbox_types::{Image, Language};

use crate::bundle::Bundle;
use crate::definition::Definition;
use crate::digest::Parts;
use crate::error::Error;
use crate::fetch::Toolchains;
use crate::over;
use crate::shelf::{Over, Shelf};
use crate::sources;

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
pub(crate) fn root_digest(image: &Image, own: &str) -> String {
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

/// Notes the image of a runtime, for the next start.
pub(crate) fn write(
    toolchains: &Toolchains,
    runtime: &str,
    image: &Image,
    version: &str,
) -> Result<(), Error> {
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
