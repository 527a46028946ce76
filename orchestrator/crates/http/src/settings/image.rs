//! The image of a function: named, or built from its package.

use cloudbox_types::function::FunctionSettings;
use cloudbox_types::image::CUSTOM;
use cloudbox_types::{ImageSource, Language};
use serde_json::Value;

use crate::extract::Fields;

/// Characters of an image's name, and of a path in a package.
const MAX_LEN: usize = 255;
/// What a Dockerfile is called where nobody says otherwise.
const DOCKERFILE: &str = "./Dockerfile";
/// Where it copies from.
const CONTEXT: &str = "./";

/// Whoever names an image wants the runtime that has images, and whoever builds one a program of its own.
pub(super) fn imply_runtime(fields: &mut Fields) {
    if (fields.has("image") || fields.has("build")) && !fields.has("runtime") {
        fields.put("runtime", CUSTOM);
        if fields.has("build") {
            fields.put_default("language", Language::Custom.as_str());
        }
    }
}

/// Takes `image` and `build`; a function of another runtime has neither. `has_code` tells whether the body brings code: what
/// was there before goes where the image's own program takes its place.
pub(super) fn apply(settings: &mut FunctionSettings, fields: &mut Fields, has_code: bool) {
    let named = fields.short_text("image", 1..=MAX_LEN).map(ImageSource::Named);
    let built = build(fields);
    if named.is_some() && built.is_some() {
        fields.problem("build", "says how an image is made, and `image` names one: send one of them");
    }
    let given = named.or(built);
    if settings.runtime != CUSTOM {
        if given.is_some() {
            fields
                .problem("image", format!("is for the runtime {CUSTOM} alone, not for {}", settings.runtime));
        }
        settings.image = None;
        return;
    }
    if given.is_some() {
        settings.image = given;
    }
    let is_built = matches!(settings.image, Some(ImageSource::Built { .. }));
    if settings.image.is_none() {
        fields.problem("image", format!("is missing: the runtime {CUSTOM} runs in an image; or `build` one"));
    } else if is_built && settings.language != Language::Custom {
        fields.problem(
            "build",
            "is for the language custom; an image with a language's toolchain is named by `image`",
        );
    } else if settings.language == Language::Custom {
        if has_code {
            fields.problem(
                "code",
                "is not for the language custom: its program is in the image; send `language`, too",
            );
        }
        settings.code = None;
    }
}

fn build(fields: &mut Fields) -> Option<ImageSource> {
    let Value::Object(mut build) = fields.value("build")? else {
        fields.problem("build", "must be an object with `dockerfile` and `context`");
        return None;
    };
    let mut path = |name: &str, usual: &str| match build.remove(name) {
        None | Some(Value::Null) => Some(usual.to_owned()),
        Some(Value::String(path)) if is_path(&path) => Some(path),
        Some(_) => {
            fields.problem(format!("build.{name}"), "must be a path in the package, such as ./docker");
            None
        }
    };
    let (dockerfile, context) = (path("dockerfile", DOCKERFILE), path("context", CONTEXT));
    for name in build.keys() {
        fields.problem(format!("build.{name}"), "is not a known field; known are dockerfile, context");
    }
    Some(ImageSource::Built { dockerfile: dockerfile?, context: context? })
}

/// A path that leads down.
fn is_path(path: &str) -> bool {
    let is_plain = |part: &str| part != ".." && !part.contains(['\\', '\0']);
    !path.is_empty() && path.len() <= MAX_LEN && !path.starts_with('/') && path.split('/').all(is_plain)
}
