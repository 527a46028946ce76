//! Where a function's source comes from, and the file of it that is loaded: `code`, or a package.

use std::path::{Path, PathBuf};

use cloudbox_archive::{Limits, unpack};
use cloudbox_bundles::Bundle;
use cloudbox_types::{Function, Language};

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::pipeline::Site;
use crate::settings::Settings;

/// Bytes of a package's manifest that are read.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Puts the source into a build folder; the file to load, relative to its workspace.
pub(super) async fn place(
    site: &Site,
    function: &Function,
    bundle: &Bundle,
    folder: &mut BuildFolder,
) -> Result<String, StageError> {
    let settings = &function.settings;
    let (language, entry_point) = (settings.language, &settings.entry_point);
    let Some(digest) = &settings.package else {
        let main = bundle.source_file(language, entry_point).ok_or_else(|| {
            StageError::Refused(format!("runtime {} does not serve {language}", bundle.runtime))
        })?;
        folder.write(&main, &code(function, &site.settings)?)?;
        return Ok(main);
    };
    unpacked(site, digest, folder).await?;
    Main { workspace: folder.workspace(), bundle, language, entry_point }.find()
}

/// Puts what a package holds into a build folder.
pub(super) async fn unpacked(site: &Site, digest: &str, folder: &mut BuildFolder) -> Result<(), StageError> {
    let archive = site.packages.find(digest).await?;
    let builds_dir = site.settings.builds_dir.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &builds_dir, &Limits::PACKAGE));
    let unpacked = unpacked.await.map_err(|panic| StageError::io("unpacking", "package")(panic.into()))?;
    folder.take(unpacked.map_err(cloudbox_storage::Error::from)?)
}

/// That there is source, and not too much of it.
pub(super) fn check(function: &Function, settings: &Settings) -> Result<(), StageError> {
    if function.settings.package.is_some() { Ok(()) } else { code(function, settings).map(|_| ()) }
}

fn code(function: &Function, settings: &Settings) -> Result<String, StageError> {
    let code = function.settings.code.as_deref().unwrap_or_default();
    if code.trim().is_empty() {
        let sentence = "the function has no code: set `code` or upload a package, then deploy again";
        return Err(StageError::Refused(sentence.to_owned()));
    }
    if code.len() > settings.max_code_bytes {
        return Err(StageError::Refused(format!(
            "`code` has {} bytes; the limit is {}",
            code.len(),
            settings.max_code_bytes
        )));
    }
    Ok(code.to_owned())
}

/// The search for the file of a package that is loaded.
struct Main<'a> {
    workspace: &'a Path,
    bundle: &'a Bundle,
    language: Language,
    entry_point: &'a str,
}

impl Main<'_> {
    fn find(&self) -> Result<String, StageError> {
        let usual = self.bundle.package_files(self.language);
        let default = self.bundle.default_name();
        let named = self.entry_point.rsplit_once('.').map(|(file, _)| file).filter(|file| *file != default);
        if let Some(named) = named {
            let files = with_extensions(named, usual);
            return self.first(&files).ok_or_else(|| {
                refuse(format!(
                    "`entry_point` is {:?}, and the package has no {}",
                    self.entry_point,
                    any(&files)
                ))
            });
        }
        if let Some(manifest) = self.bundle.package_manifest()
            && let Some(main) = self.main_of(manifest)?
        {
            let mut files = vec![main.clone()];
            files.extend(with_extensions(&main, usual));
            files.extend(usual.iter().map(|file| format!("{main}/{file}")));
            if let Some(found) = self.first(&files) {
                return Ok(found);
            }
            return self.first(usual).ok_or_else(|| {
                refuse(format!("{manifest} names {main:?} as `main`, which is not in the package"))
            });
        }
        self.first(usual).ok_or_else(|| {
            refuse(format!(
                "the package has no {} at its top; `entry_point` can name another file",
                any(usual)
            ))
        })
    }

    /// The first of these that is a file; `*.go` stands for any.
    fn first(&self, files: &[String]) -> Option<String> {
        files.iter().find_map(|file| match file.strip_prefix('*') {
            Some(suffix) => self.any_with(suffix),
            None => self.workspace.join(file).is_file().then(|| file.clone()),
        })
    }

    fn any_with(&self, suffix: &str) -> Option<String> {
        let names = std::fs::read_dir(self.workspace).ok()?;
        let mut names: Vec<String> =
            names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names.into_iter().find(|name| name.ends_with(suffix))
    }

    /// The manifest's `main`, where it has one: a plain path below the package.
    fn main_of(&self, manifest: &str) -> Result<Option<String>, StageError> {
        let path: PathBuf = self.workspace.join(manifest);
        let Ok(metadata) = path.symlink_metadata() else { return Ok(None) };
        if !metadata.is_file() || metadata.len() > MAX_MANIFEST_BYTES {
            return Err(refuse(format!("{manifest} is no file of at most {MAX_MANIFEST_BYTES} bytes")));
        }
        let text = std::fs::read(&path).map_err(StageError::io("reading", &path))?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let json: serde_json::Value = serde_json::from_slice(text)
            .map_err(|error| refuse(format!("{manifest} is not JSON: {error}")))?;
        let Some(main) = json["main"].as_str().filter(|main| !main.is_empty()) else { return Ok(None) };
        let main = main.trim_start_matches("./").trim_end_matches('/');
        if main.is_empty() || main == "." {
            return Ok(None);
        }
        if main.split('/').any(|part| matches!(part, "" | "." | "..")) || main.contains(['\\', '\0']) {
            return Err(refuse(format!(
                "{manifest} names {main:?} as `main`, which is no path in the package"
            )));
        }
        Ok(Some(main.to_owned()))
    }
}

/// A file's name with each of the extensions that the usual files have.
fn with_extensions(stem: &str, usual: &[String]) -> Vec<String> {
    usual.iter().filter_map(|file| Some(format!("{stem}.{}", file.rsplit_once('.')?.1))).fold(
        Vec::new(),
        |mut all, file| {
            if !all.contains(&file) {
                all.push(file);
            }
            all
        },
    )
}

fn any(files: &[String]) -> String {
    files.join(" or ")
}

fn refuse(sentence: String) -> StageError {
    StageError::Refused(sentence)
}
