//! `cloudbox doctor`: what this machine has for the service, without starting it.
//!
//! The same self-test as at a start, for each driver, in a folder and under a name of its own: a service that runs on the
//! same data dir is not disturbed.

mod drivers;
mod machine;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Config, ServeArgs, environment};

/// Flags of `cloudbox doctor`: the settings are those that `cloudbox serve` would have.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// The service works without it.
    Warning,
    /// The service doesn't start, or the driver is refused.
    Missing,
}

/// Something that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// `machine`, `runtimes`, `docker` or `native`.
    pub group: &'static str,
    /// What it is.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen; where it is not as it should be, what to do.
    pub detail: String,
}

impl Check {
    fn new(group: &'static str, name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { group, name: name.to_owned(), state, detail: detail.into() }
    }
}

/// Everything that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether `cloudbox serve` would start with these settings.
    pub is_ready: bool,
    /// In the order in which it was looked at.
    pub checks: Vec<Check>,
}

/// Looks at everything and prints it. Returns whether the service would start.
///
/// # Errors
/// The settings are wrong, or nothing can be printed.
pub async fn run(args: &DoctorArgs) -> anyhow::Result<bool> {
    let config = Config::load(&args.serve, &environment)?;
    let report = examine(&config).await?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut stdout, &report)?;
        writeln!(stdout)?;
    } else {
        print(&mut stdout, &report)?;
    }
    Ok(report.is_ready)
}

async fn examine(config: &Config) -> anyhow::Result<Report> {
    let room = Room::new()?;
    let mut checks = machine::checks(config);
    checks.extend(machine::runtimes(config, &room.path.join("bundles")).await);
    let drivers = drivers::checks(config, &room.path).await;
    let is_ready = drivers.has_choice && checks.iter().all(|check| check.state != State::Missing);
    checks.extend(drivers.checks);
    Ok(Report { is_ready, checks })
}

fn print(out: &mut impl std::io::Write, report: &Report) -> std::io::Result<()> {
    let widest = report.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let mut group = "";
    for check in &report.checks {
        if check.group != group {
            group = check.group;
            writeln!(out, "{group}")?;
        }
        let state = match check.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing => "MISSING",
        };
        writeln!(out, "  {state:7}  {:widest$}  {}", check.name, check.detail)?;
    }
    let verdict = if report.is_ready { "the service can start here" } else { "the service can't start here" };
    writeln!(out, "{verdict}")
}

/// A folder for the time of an examination.
struct Room {
    path: PathBuf,
}

impl Room {
    fn new() -> anyhow::Result<Self> {
        use anyhow::Context as _;
        use std::os::unix::fs::DirBuilderExt as _;
        // With a short name: sockets are below it.
        let path = std::env::temp_dir().join(format!("cbx-doctor-{:08x}", rand::random::<u32>()));
        let made = std::fs::DirBuilder::new().mode(0o711).create(&path);
        made.with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What could not be unmounted in it stays, and is named by the drivers.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The nearest folder above that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests;
