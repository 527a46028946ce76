//! Stage 2: the dependencies, installed once for each set of them in a folder of their own, then copied to the source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_bundles::{Bundle, Install};
use cloudbox_sandbox::{Network, Program};

use crate::artefact::{Bounds, collect};
use crate::build_folder::BuildFolder;
use crate::build_sandbox::{Done, Step};
use crate::dependency_store::{copy, key};
use crate::error::StageError;
use crate::mirrors::{redact, secrets_in};
use crate::pipeline::{Site, Work};

/// What every failure of an installation begins with.
const FAILED: &str = "Failed to install dependencies";
/// Lines of a package manager that become part of the sentence.
const TOLD_LINES: usize = 3;

/// Has what the function depends on beside its source.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    if work.function.settings.dependencies.is_empty() {
        work.say("no dependencies");
        return Ok(());
    }
    let bundle = work.bundle();
    let Some((install, program)) = bundle.install() else { return Err(not_yet(work)) };
    let key = key(&bundle.runtime, &bundle.build.digest, &work.function.settings.dependencies);
    let installed = match site.dependencies.find(&key) {
        Some(folder) => {
            work.say("dependencies unchanged: reused");
            folder
        }
        None => fresh(site, work, &bundle, install, program, &key).await?,
    };
    let target = work.folder().workspace().join(&install.result);
    apart(move || copy(&installed, &target)).await
}

/// What was installed is in the build folder, and goes with it; the set stays for the next deployment.
pub(crate) fn undo(_work: &mut Work) {}

/// That a function's dependencies are names and versions, before anything is done with them.
pub(crate) fn check(work: &Work, bundle: &Bundle) -> Result<(), StageError> {
    let Some((install, _)) = bundle.install() else { return Ok(()) };
    install.check(&work.function.settings.dependencies).map_err(StageError::Refused)
}

fn not_yet(work: &Work) -> StageError {
    let language = work.function.settings.language;
    StageError::Refused(format!(
        "{FAILED}: `dependencies` of {language} can't be installed yet; leave them out and use the standard library"
    ))
}

/// Runs the package manager, and takes over what it left.
async fn fresh(
    site: &Site,
    work: &mut Work,
    bundle: &Arc<Bundle>,
    install: &Install,
    mut program: Program,
    key: &str,
) -> Result<PathBuf, StageError> {
    if !site.settings.has_network {
        return Err(StageError::Refused(format!(
            "{FAILED}: builds have no network here; the operator can allow it with `builds.network = true`"
        )));
    }
    site.driver.prepare(&bundle.build).await?;
    let folder = BuildFolder::create(&site.settings.builds_dir)?;
    folder.write(&install.manifest, &install.manifest_text(&work.function.settings.dependencies))?;
    let mirrors = &site.settings.mirrors;
    let mut secrets: Vec<String> = mirrors.env.values().flat_map(|value| secrets_in(value)).collect();
    let mounts = lend(&folder, &mirrors.files, &mut secrets)?;
    program.env.extend(mirrors.env.clone());
    let step = Step {
        name: "the package manager",
        rootfs: &bundle.build,
        program,
        folder: &folder,
        network: Network::Host,
        mounts,
    };
    let mut done = step.run(site.driver.as_ref(), &site.settings).await?;
    done.output = redact(&done.output, &secrets);
    work.say(&done.output);
    if let Err(why) = &done.outcome {
        return Err(StageError::Refused(format!("{FAILED}: {}", told(&done, &redact(why, &secrets)))));
    }
    let staging = site.dependencies.staging()?;
    let bounds =
        Bounds { bytes: site.settings.max_artefact_bytes, entries: site.settings.max_artefact_files };
    let install = install.clone();
    let (files, staging) = apart(move || {
        let artefact = take(&folder, &install, bounds, staging.path())?;
        Ok((artefact, staging))
    })
    .await?;
    work.say(format!("installed {files} files"));
    site.dependencies.put(key, staging)
}

/// Copies of the machine's files, which the sandbox's user can read whatever the modes of the originals are. They
/// are gone with the folder, which no other user reaches.
fn lend(
    folder: &BuildFolder,
    files: &[(PathBuf, PathBuf)],
    secrets: &mut Vec<String>,
) -> Result<Vec<(PathBuf, PathBuf)>, StageError> {
    let mut mounts = Vec::with_capacity(files.len());
    for (here, inside) in files {
        let bytes = std::fs::read(here).map_err(StageError::io("reading", here))?;
        secrets.extend(std::str::from_utf8(&bytes).map(secrets_in).unwrap_or_default());
        mounts.push((folder.write_beside(&format!("file-{}", mounts.len()), &bytes)?, inside.clone()));
    }
    Ok(mounts)
}

/// How many files there are now in `to`: all of the folder that the packages are in.
fn take(folder: &BuildFolder, install: &Install, bounds: Bounds, to: &Path) -> Result<usize, StageError> {
    let result = folder.workspace().join(&install.result);
    if !result.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Err(StageError::Refused(format!("{FAILED}: nothing was installed")));
    }
    for name in &install.exclude {
        // A folder of that name stays, and is one of the packages.
        let _ = std::fs::remove_file(result.join(name));
    }
    match collect(&result, None, bounds, to) {
        Err(StageError::Refused(why)) => Err(StageError::Refused(format!("{FAILED}: {why}"))),
        other => Ok(other?.files),
    }
}

/// What the package manager says of its failure; `why` where it says nothing or was ended.
fn told(done: &Done, why: &str) -> String {
    let own = ["npm error ", "npm ERR! ", "ERROR: "];
    let lines = done.output.lines().filter_map(|line| own.iter().find_map(|start| line.strip_prefix(start)));
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).take(TOLD_LINES).collect();
    if lines.is_empty() || !done.has_failed { why.to_owned() } else { lines.join("; ") }
}

/// Runs work on files apart from everything else.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StageError> + Send + 'static,
) -> Result<T, StageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(StageError::io("copying", "dependencies")(panic.into())))
}
