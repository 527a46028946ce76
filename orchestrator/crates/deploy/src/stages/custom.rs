//! Functions that run in an image of their own: by one of our shims, or by a program of the image that speaks the
//! protocol.
//!
//! For a shim the image takes the place of a runtime's root, and all stages are the usual ones. For a program there is
//! nothing to check, to install or to compile: what its package holds becomes its workspace, or what its image is built from.

use std::sync::Arc;

use cloudbox_bundles::Bundle;
use cloudbox_images::context::leave_out;
use cloudbox_storage::Kind;
use cloudbox_types::{ImageBuild, ImageSource, Language, image::CUSTOM};

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::pipeline::{Site, Work};
use crate::stages::{build, source};

/// What of the image is part of every artefact: so another image makes another version, as its digest and its files tell.
const NOTE: &str = ".cloudbox-image.json";

/// Whether a function's root is an image of its own.
pub(super) fn is_custom(work: &Work) -> bool {
    work.function.settings.runtime == CUSTOM
}

/// Whether it is a program of its image.
pub(super) fn is_program(work: &Work) -> bool {
    is_custom(work) && work.function.settings.language == Language::Custom
}

/// The bundle of a function that has a shim of ours in an image of its own.
pub(super) async fn bundle(site: &Site, work: &mut Work) -> Result<Arc<Bundle>, StageError> {
    let language = work.function.settings.language;
    match image_source(work)? {
        ImageSource::Named(name) => {
            let image = site.images.named(&name).await?;
            let bundle = site.catalogue.image_bundle(language, &image).await?;
            work.image_hold = Some(site.holds.hold(Kind::Image, &bundle.run.digest));
            work.say(format!("the image {} is {}", image.name, image.id));
            work.image = Some(image);
            Ok(bundle)
        }
        ImageSource::Built { .. } => Err(StageError::Refused(format!(
            "a Dockerfile is for programs of the language {}; name an image that has {language} as `image`",
            Language::Custom
        ))),
    }
}

/// Looks a program's image up, or reads its Dockerfile, and unpacks its package.
pub(super) async fn validate(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let source = image_source(work)?;
    if work.function.settings.code.is_some() {
        let sentence =
            "`code` is for languages with a shim; put the program into the image, or upload a package";
        return Err(StageError::Refused(sentence.to_owned()));
    }
    site.images.check_on()?;
    let mut folder = BuildFolder::create(&site.settings.builds_dir)?;
    if let Some(package) = &work.function.settings.package {
        source::unpacked(site, package, &mut folder).await?;
    }
    match source {
        ImageSource::Named(name) => {
            let image = site.images.named(&name).await?;
            work.say(format!("the image {} is {}", image.name, image.id));
            if image.argv.is_empty() {
                let why = format!(
                    "the image {name} has neither an ENTRYPOINT nor a CMD: nothing says what to start"
                );
                return Err(StageError::Refused(why));
            }
            let bundle = site.catalogue.image_bundle(Language::Custom, &image).await?;
            work.image_hold = Some(site.holds.hold(Kind::Image, &bundle.run.digest));
            work.bundle = Some(bundle);
            work.image = Some(image);
        }
        ImageSource::Built { dockerfile, .. } => {
            if work.function.settings.package.is_none() {
                let sentence = "an image is built from a package, and there is none: upload one with the Dockerfile in it";
                return Err(StageError::Refused(sentence.to_owned()));
            }
            let name = dockerfile.trim_start_matches("./");
            let text = folder.read(name, cloudbox_images::dockerfile::MAX_BYTES as u64)?;
            let text = text.ok_or_else(|| {
                StageError::Refused(format!(
                    "the package has no {name}; `build.dockerfile` names another one"
                ))
            })?;
            work.dockerfile = Some(site.images.read(&text)?);
            work.say(format!("{name} may be built"));
        }
    }
    work.folder = Some(folder);
    Ok(())
}

/// Builds a program's image, where it has a Dockerfile, and makes the artefact.
pub(super) async fn build(site: &Site, work: &mut Work) -> Result<(), StageError> {
    if work.dockerfile.is_some() {
        let image = built(site, work).await?;
        work.bundle = Some(image);
        // The package has become the image.
        work.folder = Some(BuildFolder::create(&site.settings.builds_dir)?);
    }
    let note = serde_json::to_string_pretty(&work.image).unwrap_or_default();
    work.folder().write(NOTE, &note)?;
    work.main = NOTE.to_owned();
    build::collected(site, work, None).await
}

/// The bundle of the image that is built from the Dockerfile, whose files are taken over before it is removed.
async fn built(site: &Site, work: &mut Work) -> Result<Arc<Bundle>, StageError> {
    let (Some(dockerfile), ImageSource::Built { context: below, dockerfile: path }) =
        (&work.dockerfile, image_source(work)?)
    else {
        return Err(StageError::Refused("there is no Dockerfile".to_owned()));
    };
    let context = work.folder().workspace().join(&below);
    if !context.is_dir() {
        let sentence = "`build.context` is no folder of the package";
        return Err(StageError::Refused(sentence.to_owned()));
    }
    let (from, file) = (context.clone(), work.folder().workspace().join(&path));
    tokio::task::spawn_blocking(move || leave_out(&from, &file))
        .await
        .map_err(|panic| StageError::io("reading", ".dockerignore")(panic.into()))??;
    let bases = site.images.bases(dockerfile).await?;
    let mut listener = work.listener(Vec::new()).with_room(site.settings.max_output_bytes);
    let halt = work.halt.clone();
    let mut told = |text: &str| listener.hear(text.as_bytes());
    let building = site.images.build(dockerfile, &bases, context, site.settings.limits, &mut told);
    let built = tokio::select! {
        biased;
        built = building => built,
        why = halt.ordered() => return Err(StageError::Refused(why)),
    };
    listener.end();
    let mut built = built?;
    built.image.build = Some(ImageBuild { dockerfile: path, context: below, bases });
    work.say(format!("the image is {}", built.image.id));
    let (bundle, hold) = site
        .images
        .take_over(&built, async |image| {
            let bundle = site.catalogue.image_bundle(Language::Custom, image).await?;
            let hold = site.holds.hold(Kind::Image, &bundle.run.digest);
            Ok::<_, StageError>((bundle.run.clone(), (bundle, hold)))
        })
        .await?;
    work.image = Some(built.image);
    work.image_hold = Some(hold);
    Ok(bundle)
}

/// Whose fault it is where a program does not start.
pub(super) fn explained(work: &Work, error: StageError) -> StageError {
    match (&work.image, error) {
        (Some(image), StageError::Sandbox(cloudbox_sandbox::Error::Setup { step, message }))
            if step == "exec" =>
        {
            StageError::Refused(format!(
                "the image {} can't start the function's program: {message}. It has to be in the image, on its search path; where the image's own program serves the calls, \
                 set `language` to custom",
                image.name
            ))
        }
        (_, error) => error,
    }
}

fn image_source(work: &Work) -> Result<ImageSource, StageError> {
    work.function.settings.image.clone().ok_or_else(|| {
        StageError::Refused(format!(
            "the runtime {CUSTOM} runs in an image: name one as `image`, or `build` one"
        ))
    })
}
