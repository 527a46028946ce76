//! `cloudbox runtimes`: what functions can be written for here, and how it is installed and removed.

use std::time::Duration;

use cloudbox_api_types::{InstallRuntime, Runtime, RuntimeList};
use reqwest::Method;
use serde_json::Value;

use crate::{Error, Session, connection, table};

/// Between two looks at an installation.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Options of `runtimes`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[arg(value_enum, default_value_t = Action::List)]
    pub action: Action,
    /// The runtimes to install or remove, such as nodejs18
    #[arg(value_name = "RUNTIME")]
    pub names: Vec<String>,
    /// With `install`: an image that has the toolchain, such as node:22-slim (Docker driver)
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// What is done with runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// Show every runtime with its state
    List,
    /// Fetch toolchains, and wait until they can be used
    Install,
    /// Remove toolchains that were installed
    Remove,
}

/// Does it.
///
/// # Errors
/// The service refuses, or an installation failed.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    if (args.action == Action::List) != args.names.is_empty() {
        let sentence =
            "name runtimes with `install` or `remove`, such as: cloudbox runtimes install nodejs18";
        return Err(Error::Usage(sentence.to_owned()));
    }
    if args.image.is_some() && (args.action != Action::Install || args.names.len() != 1) {
        let sentence = "an image is for one runtime: cloudbox runtimes install nodejs22 --image node:22-slim";
        return Err(Error::Usage(sentence.to_owned()));
    }
    match args.action {
        Action::List => list(session).await,
        Action::Install => install(&args.names, args.image.as_deref(), session).await,
        Action::Remove => remove(&args.names, session).await,
    }
}

async fn list(session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.request(Method::GET, &["api", "runtimes"]);
    if session.is_json {
        let list: Value = session.client.json(request).await?;
        return session.terminal.json(&list);
    }
    let list: RuntimeList = session.client.json(request).await?;
    show(list.items, session)
}

fn show(runtimes: Vec<Runtime>, session: &mut Session<'_>) -> Result<(), Error> {
    let head = ["RUNTIME", "STATE", "SERVED BY", "VERSION", "LANGUAGES", "END OF LIFE"];
    session.terminal.data(&table::render(&head, runtimes.into_iter().map(row)))
}

/// Begins all of them, then waits for each; tells of every one that failed.
async fn install(names: &[String], image: Option<&str>, session: &mut Session<'_>) -> Result<(), Error> {
    for name in names {
        let mut request = session.client.request(Method::POST, &["api", "runtimes", name, "install"]);
        if let Some(image) = image {
            request = request.json(&InstallRuntime { image: Some(image.to_owned()) });
        }
        let _: Runtime = session.client.json(request).await?;
    }
    let mut installed = Vec::new();
    let mut failed = Vec::new();
    for name in names {
        let runtime = wait(name, session).await?;
        // What it had before serves on where its image can't be used.
        if runtime.state != "ready" || (image.is_some() && runtime.detail.is_some()) {
            failed.push(format!("{name}: {}", runtime.detail.as_deref().unwrap_or(&runtime.state)));
        }
        installed.push(runtime);
    }
    session.terminal.restore();
    if session.is_json {
        session.terminal.json(&serde_json::json!(installed))?;
    } else {
        show(installed, session)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(failed.join("\n"))) }
}

async fn wait(name: &str, session: &mut Session<'_>) -> Result<Runtime, Error> {
    let mut shown = String::new();
    loop {
        let request = session.client.request(Method::GET, &["api", "runtimes", name]);
        let runtime: Runtime = session.client.json(request).await?;
        if runtime.state != "installing" {
            return Ok(runtime);
        }
        let step = format!("{name}: {}", runtime.detail.as_deref().unwrap_or_default());
        if step != shown {
            session.terminal.step(&step);
            shown = step;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn remove(names: &[String], session: &mut Session<'_>) -> Result<(), Error> {
    for name in names {
        let request = session.client.request(Method::DELETE, &["api", "runtimes", name]);
        session.client.send(request).await?;
        session.terminal.say(&format!("removed {name}"));
    }
    Ok(())
}

fn row(runtime: Runtime) -> Vec<String> {
    let dash = || "-".to_owned();
    let is_own = runtime.resolved.as_deref() == Some(&runtime.name);
    vec![
        if runtime.is_default { format!("{} (default)", runtime.name) } else { runtime.name },
        runtime.state,
        runtime.resolved.filter(|_| !is_own).unwrap_or_else(dash),
        match (runtime.version, runtime.image) {
            (version, None) if version.is_empty() => dash(),
            (version, None) => version,
            (version, Some(image)) => format!("{version} ({image})"),
        },
        runtime.languages.join(", "),
        runtime.end_of_life.unwrap_or_else(dash),
    ]
}
