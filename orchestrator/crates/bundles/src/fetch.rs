//! Toolchains that were fetched: `toolchains_dir/<runtime>`, each whole or not there at all.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use crate::command::{Group, ending};
use crate::definition::{Definition, Fetch, VersionEntry};
use crate::error::Error;
use crate::template::{fill, matches};

/// Folders that are being written begin so.
const UNFINISHED: &str = ".fetching-";

/// Where toolchains are fetched to, and by which clients.
#[derive(Clone, Debug, Default)]
pub struct Toolchains {
    /// A folder of the service's own; none where nothing can be fetched.
    pub folder: Option<PathBuf>,
    /// The folders in which clients are looked for.
    pub path: Vec<PathBuf>,
    /// What leads clients to the registries: their variables of this machine.
    pub env: BTreeMap<String, String>,
    /// Whether nothing may be fetched.
    pub is_offline: bool,
}

/// All that it takes to fetch one toolchain.
#[derive(Clone, Debug)]
pub struct Errand {
    runtime: String,
    fetch: Fetch,
    values: BTreeMap<String, String>,
    client: PathBuf,
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Toolchains {
    /// Removes what a crash left unfinished.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(&self) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
        for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(Error::io("removing", path))?;
            }
        }
        Ok(())
    }

    /// The program of a toolchain that was fetched.
    pub fn program(&self, runtime: &str, definition: &Definition, entry: &VersionEntry) -> Option<PathBuf> {
        let fetch = definition.toolchain.fetch.as_ref()?;
        let folder = self.folder.as_ref()?.join(runtime);
        let program = fill(&fetch.program, &value_of(&values(fetch, entry)?)).ok()?;
        Some(folder.join(program)).filter(|path| path.is_file())
    }

    /// What fetching this runtime's toolchain takes.
    ///
    /// # Errors
    /// Why it can't be fetched, and the remedy.
    pub fn errand(
        &self,
        runtime: &str,
        definition: &Definition,
        entry: &VersionEntry,
    ) -> Result<Errand, Error> {
        let refuse = |why: String| Error::NotFetchable { runtime: runtime.to_owned(), why };
        let own = format!(
            "install {} {} on this machine, then start the service again",
            definition.language, entry.version
        );
        let Some((fetch, folder)) = definition.toolchain.fetch.as_ref().zip(self.folder.as_ref()) else {
            return Err(refuse(format!("there is no registry to fetch it from; {own}")));
        };
        if self.is_offline {
            return Err(refuse("the service is offline, as `builds.offline` says".to_owned()));
        }
        let values = values(fetch, entry)
            .ok_or_else(|| refuse(format!("it is not there for {}; {own}", std::env::consts::ARCH)))?;
        let name = fetch.argv.first().map_or("", String::as_str);
        let client = self.path.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let client =
            client.ok_or_else(|| refuse(format!("{name} is not on the service's search path; {own}")))?;
        let env = self.env.clone();
        Ok(Errand {
            runtime: runtime.to_owned(),
            fetch: fetch.clone(),
            values,
            client,
            env,
            folder: folder.clone(),
        })
    }

    /// Removes a toolchain that was fetched; whether there was one.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, runtime: &str) -> Result<bool, Error> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(runtime)) else { return Ok(false) };
        if !path.is_dir() {
            return Ok(false);
        }
        // Gone at once, whatever becomes of the rest.
        let aside = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(path.parent().unwrap_or(&path));
        let aside = aside.map_err(Error::io("making a folder beside", &path))?;
        fs::rename(&path, aside.path().join("removed")).map_err(Error::io("moving away", &path))?;
        aside.close().map_err(Error::io("removing", path))?;
        Ok(true)
    }
}

fn values(fetch: &Fetch, entry: &VersionEntry) -> Option<BTreeMap<String, String>> {
    let mut values = entry.values.clone();
    values.insert("release".to_owned(), entry.release.clone()?);
    values.insert("arch".to_owned(), fetch.arches.get(std::env::consts::ARCH)?.clone());
    Some(values)
}

fn value_of(values: &BTreeMap<String, String>) -> impl Fn(&str) -> Option<String> {
    |name: &str| values.get(name).cloned()
}

impl Errand {
    /// Has the client fetch it; `told` is told meanwhile how many bytes there are.
    ///
    /// # Errors
    /// What the client says.
    pub async fn run(mut self, told: &(dyn Fn(u64) + Send + Sync)) -> Result<PathBuf, Error> {
        let staging = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.folder);
        let staging = staging.map_err(Error::io("making a folder in", &self.folder))?;
        self.values.insert("folder".to_owned(), staging.path().display().to_string());
        let output = tokio::select! {
            output = self.client() => output?,
            never = watch(staging.path(), told) => never,
        };
        if !output.status.success() {
            return Err(self.failed(ending(&output)));
        }
        tokio::task::spawn_blocking(move || self.finish(staging)).await.unwrap_or_else(|panic| {
            Err(Error::io("taking over", "a toolchain")(std::io::Error::other(panic)))
        })
    }

    async fn client(&self) -> Result<std::process::Output, Error> {
        let filled = |text: &String| {
            fill(text, &value_of(&self.values)).map_err(|name| self.failed(format!("there is no {{{name}}}")))
        };
        let argv = self.fetch.argv.iter().map(filled).collect::<Result<Vec<_>, _>>()?;
        let mut env = BTreeMap::new();
        for (name, text) in &self.fetch.env {
            env.insert(name.clone(), filled(text)?);
        }
        // What this machine sets is for its own network, and wins.
        env.extend(self.env.clone());
        #[expect(clippy::disallowed_methods, reason = "toolchains are fetched by the machine's own clients")]
        let mut command = tokio::process::Command::new(&self.client);
        command.args(argv.iter().skip(1)).env_clear().envs(env).current_dir(&self.values["folder"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        let child = command.spawn().map_err(|error| self.failed(error.to_string()))?;
        let group = Group::of(child.id());
        let output = child.wait_with_output().await;
        group.has_ended();
        output.map_err(|error| self.failed(error.to_string()))
    }

    /// Gives programs their mode, and puts the toolchain into its place.
    fn finish(self, staging: TempDir) -> Result<PathBuf, Error> {
        for excess in &self.fetch.excess {
            let path = staging.path().join(excess);
            if path.is_dir() {
                fs::remove_dir_all(&path).map_err(Error::io("removing", path))?;
            }
        }
        if !self.fetch.executables.is_empty() {
            make_executable(staging.path(), staging.path(), &self.fetch.executables)?;
        }
        let program = fill(&self.fetch.program, &value_of(&self.values));
        let program = program.map_err(|name| self.failed(format!("there is no {{{name}}}")))?;
        if !staging.path().join(&program).is_file() {
            return Err(self.failed(format!("there is no {program} in what was fetched")));
        }
        let target = self.folder.join(&self.runtime);
        fs::rename(staging.path(), &target).map_err(Error::io("moving into place", &target))?;
        // It is not where it was made any more.
        let _ = staging.keep();
        Ok(target.join(program))
    }

    fn failed(&self, why: String) -> Error {
        Error::Fetch { runtime: self.runtime.clone(), client: self.fetch.argv[0].clone(), why }
    }
}

fn make_executable(top: &Path, folder: &Path, patterns: &[String]) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))?.flatten() {
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("reading", &path))?;
        if kind.is_dir() {
            make_executable(top, &path, patterns)?;
        } else if kind.is_file() && path.strip_prefix(top).is_ok_and(|path| is_one_of(path, patterns)) {
            fs::set_permissions(&path, Permissions::from_mode(0o755))
                .map_err(Error::io("changing the mode of", path))?;
        }
    }
    Ok(())
}

/// A pattern is a path, part by part.
fn is_one_of(path: &Path, patterns: &[String]) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    patterns.iter().any(|pattern| {
        let wanted: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(|(want, part)| matches(want, part))
    })
}

/// Tells again and again how much there is.
async fn watch<T>(folder: &Path, told: &(dyn Fn(u64) + Send + Sync)) -> T {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let folder = folder.to_owned();
        if let Ok(bytes) = tokio::task::spawn_blocking(move || bytes_in(&folder)).await {
            told(bytes);
        }
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { bytes_in(&entry.path()) } else { found.len() })
    });
    bytes.sum()
}
