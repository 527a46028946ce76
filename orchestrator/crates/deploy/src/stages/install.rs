//! Stage 2: the dependencies, installed once for each set of them in a folder of their own that all functions share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_artefacts::{Bounds, InstalledSet, collect, key};
use cloudbox_bundles::Bundle;
use cloudbox_dependencies::{Brought, Install, Wanted};
use cloudbox_mirrors::{Lent, redact};

use crate::build_folder::BuildFolder;
use crate::build_sandbox::{Done, Step};
use crate::error::StageError;
use crate::pipeline::{Site, Work};
use crate::settings::Settings;

/// What every failure of an installation begins with.
const FAILED: &str = "Failed to install dependencies";
/// Lines of a package manager that become part of the sentence.
const TOLD_LINES: usize = 3;
/// Packages that a sentence names.
const TOLD_PACKAGES: usize = 20;
/// What package managers run scripts by.
const SHELL: &str = "/bin/sh";
/// Bytes of a package's own manifest, and of its lock.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// Has what the function depends on at hand.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let bundle = work.bundle();
    let Some(install) = bundle.install() else {
        return if work.function.settings.dependencies.is_empty() {
            nothing(work)
        } else {
            Err(not_here(work))
        };
    };
    let Some(wanted) = wanted(work, install)? else { return nothing(work) };
    let key = key(&bundle.runtime, &bundle.build.digest, &wanted, site.settings.may_run_scripts);
    let _turn = site.dependencies.turn(&key).await;
    let hold = Arc::new(site.dependencies.hold(&key));
    let folder = match site.dependencies.find(&key) {
        Some(folder) => {
            work.say("dependencies unchanged: reused");
            folder
        }
        None => fresh(site, work, &bundle, install, (&wanted, &key)).await?,
    };
    let mount = install.mount.as_ref().map(PathBuf::from);
    work.dependencies = Some(InstalledSet { key, folder, place: install.result.clone(), mount, hold });
    Ok(())
}

/// The set stays for the next deployment.
pub(crate) fn undo(work: &mut Work) {
    work.dependencies = None;
}

/// That a function's dependencies are names and versions, before anything is done with them.
pub(crate) fn check(work: &Work, bundle: &Bundle) -> Result<(), StageError> {
    let Some(install) = bundle.install() else { return Ok(()) };
    install.check(&work.function.settings.dependencies).map_err(StageError::Refused)
}

fn nothing(work: &mut Work) -> Result<(), StageError> {
    work.say("no dependencies");
    Ok(())
}

fn not_here(work: &Work) -> StageError {
    let runtime = &work.bundle().runtime;
    StageError::Refused(format!("{FAILED}: {runtime} has no package manager; leave `dependencies` out"))
}

/// What the function and its package ask for; none where that is nothing, or the package brings it.
fn wanted(work: &mut Work, install: &Install) -> Result<Option<Wanted>, StageError> {
    let folder = work.folder();
    let dependencies = &work.function.settings.dependencies;
    let is_there = |name: &&String| folder.workspace().join(name).symlink_metadata().is_ok();
    if let Some(name) = install.brought.iter().find(is_there) {
        if !dependencies.is_empty() {
            return Err(StageError::Refused(format!(
                "{FAILED}: the package brings its {name}, and the function has `dependencies`; leave one of them out"
            )));
        }
        let name = name.clone();
        work.say(format!("the package brings its {name}: nothing is installed"));
        return Ok(None);
    }
    let mut brought =
        Brought { manifest: folder.read(&install.manifest, MAX_LIST_BYTES)?, ..Brought::default() };
    for name in install.locks.iter().filter(|_| brought.manifest.is_some()) {
        if let Some(text) = folder.read(name, MAX_LIST_BYTES)? {
            brought.lock = Some((name.clone(), text));
            break;
        }
    }
    let wanted = install.wanted(dependencies, &brought);
    wanted.map_err(|why| StageError::Refused(format!("{FAILED}: {why}")))
}

/// Runs the package manager, and takes over what it left.
async fn fresh(
    site: &Site,
    work: &mut Work,
    bundle: &Arc<Bundle>,
    install: &Install,
    (wanted, key): (&Wanted, &str),
) -> Result<PathBuf, StageError> {
    if !site.settings.has_network {
        return Err(offline(wanted));
    }
    site.driver.prepare(&bundle.build).await?;
    let folder = BuildFolder::create(&site.settings.builds_dir)?;
    for (name, text) in &wanted.files {
        folder.write(name, text)?;
    }
    let lent = Lent::of(&site.settings.mirrors);
    lent.notes.iter().for_each(|line| work.say(line));
    let mut mounts = mounts(&lent, &folder)?;
    mounts.extend(shell(site, bundle, install));
    let argv = install.command(wanted.is_locked, site.settings.may_run_scripts);
    let mut program = bundle.installer(install, &argv);
    program.env.extend(lent.env);
    let gate = site.registries.gate(&install.registries);
    for (name, value) in gate.iter().flat_map(|gate| gate.environment()) {
        program.env.entry(name.to_owned()).or_insert(value);
    }
    let name = "the package manager";
    let listener = work.listener(lent.secrets.clone());
    let step = Step { name, rootfs: &bundle.build, program, folder: &folder, gate, mounts, listener };
    let mut done = step.run(site.driver.as_ref(), &site.settings).await?;
    done.output = redact(&done.output, &lent.secrets);
    done.advice.iter().for_each(|line| work.say(line));
    if let Err(why) = &done.outcome {
        return Err(StageError::Refused(format!("{FAILED}: {}", told(&done, &redact(why, &lent.secrets)))));
    }
    let staging = site.dependencies.staging()?;
    let bounds = bounds(&site.settings, install);
    let install = install.clone();
    let (files, staging) = apart(move || {
        let artefact = take(&folder, &install, bounds, staging.path())?;
        Ok((artefact, staging))
    })
    .await?;
    work.say(format!("installed {files} files"));
    Ok(site.dependencies.put(key, staging)?)
}

fn bounds(settings: &Settings, install: &Install) -> Bounds {
    if install.mount.is_some() {
        return Bounds { bytes: settings.max_modules_bytes, entries: settings.max_modules_files };
    }
    Bounds { bytes: settings.max_artefact_bytes, entries: settings.max_artefact_files }
}

fn offline(wanted: &Wanted) -> StageError {
    let mut named: Vec<&str> = wanted.packages.iter().map(|one| one.trim()).take(TOLD_PACKAGES).collect();
    if wanted.packages.len() > TOLD_PACKAGES {
        named.push("…");
    }
    StageError::Refused(format!(
        "{FAILED}: builds have no network here, and this set was not installed before: {}; \
         the operator can allow it with `builds.network = true` and without `builds.offline`",
        named.join(", ")
    ))
}

/// What packages' own scripts are run by, where they are allowed. Roots have no shell, since no function needs one; the
/// machine's needs no library that they lack. Images of others have their own.
fn shell(site: &Site, bundle: &Bundle, install: &Install) -> Option<(PathBuf, PathBuf)> {
    let is_wanted = site.settings.may_run_scripts && install.no_scripts.is_some() && bundle.image.is_none();
    let shell = is_wanted.then(|| Path::new(SHELL).canonicalize().ok()).flatten();
    shell.map(|shell| (shell, SHELL.into()))
}

/// Copies of the machine's files, which the sandbox's user can read whatever the modes of the originals are. They are
/// gone with the folder, which no other user reaches: (here, inside).
fn mounts(lent: &Lent, folder: &BuildFolder) -> Result<Vec<(PathBuf, PathBuf)>, StageError> {
    let numbered = lent.files.iter().enumerate();
    numbered
        .map(|(number, (inside, bytes))| {
            Ok((folder.write_beside(&format!("file-{number}"), bytes)?, inside.clone()))
        })
        .collect()
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
    match collect(&result, None, None, bounds, to).map_err(StageError::from) {
        Err(StageError::Refused(why)) => Err(StageError::Refused(format!("{FAILED}: {why}"))),
        other => Ok(other?.files),
    }
}

/// What the package manager says of its failure; `why` where it says nothing or was ended.
fn told(done: &Done, why: &str) -> String {
    let own = ["npm error ", "npm ERR! ", "ERROR: ", "gobuild: "];
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
