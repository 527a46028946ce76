//! `cloudbox deploy`: what the files and flags want, what the service has, and the way from one to the other.

use std::path::PathBuf;

use cloudbox_api_types::{DeployStarted, Function};
use cloudbox_types::Language;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::{Error, Session, connection};

pub mod change;
pub mod context;
pub mod environment;
pub mod package;
pub mod progress;
pub mod project_file;
pub mod report;
pub mod source;
pub mod wanted;

use source::{Content, Source};

/// Options of `deploy`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A source file (.js, .mjs, .cjs, .ts, .py, .go), a folder with as many files as it takes and perhaps a cloudbox.toml or
    /// cloudbox-function.yml, or an archive (.tgz, .zip)
    #[arg(value_name = "FILE|DIR")]
    pub path: PathBuf,
    /// The function's name; else from the project's file, package.json, or the file's or folder's name
    #[arg(long)]
    pub name: Option<String>,
    /// javascript, typescript, python or go; else as the files tell
    #[arg(long)]
    pub language: Option<Language>,
    /// Shown to people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Such as nodejs22; else the service's default for the language
    #[arg(long)]
    pub runtime: Option<String>,
    /// The exported handler, such as `handler` or `index.handler`
    #[arg(long, value_name = "HANDLER")]
    pub entry_point: Option<String>,
    /// MB of memory, 64 to 1024
    #[arg(long, value_name = "MB")]
    pub memory: Option<u32>,
    /// Seconds that one call may take, 1 to 300
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// Let anyone call it, without a credential (--public=false takes that back)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub public: Option<bool>,
    /// An environment variable; may be repeated
    #[arg(long = "env", value_name = "KEY=VALUE")]
    pub env: Vec<String>,
    /// A file of KEY=VALUE lines; --env wins over it
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Deploy even where nothing changed
    #[arg(long = "force")]
    pub is_forced: bool,
    /// Leave the active version as it is; `cloudbox activate` makes the new one active
    #[arg(long = "no-activate")]
    pub is_kept_back: bool,
    /// Don't wait for the deployment's end
    #[arg(long = "no-wait")]
    pub is_unattended: bool,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Creates or changes the function, deploys it where its code asks for that, and says how to call it.
///
/// # Errors
/// What the files say can't be, the service refuses, or the deployment failed.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    let source = Source::read(&args.path, args.language)?;
    let wanted = wanted::function(args, &source)?;
    session.terminal.step(&format!("looking up {}", wanted.name));
    let (function, change) = change::apply(wanted, source.settings.environment.is_some(), session).await?;
    let package = match &source.content {
        Content::Package(package) => Some(package),
        Content::Code(_) | Content::Image => None,
    };
    let is_new = package.is_some_and(|package| function.package.as_ref() != Some(&package.digest));
    // Another image may have this name by now, which nobody sees from here.
    let is_unseen = source.settings.image.is_some() && source.settings.build.is_none();
    if !(change.needs_deploy() || args.is_forced || is_new || is_unseen) {
        return report::unchanged(&function, &change, session);
    }
    session.terminal.step(&format!("deploying {}", function.name));
    let mut request = session.client.functions(Method::POST, &[&function.name, "deploy"]);
    if args.is_kept_back {
        request = request.query(&[("activate", "false")]);
    }
    if let Some(package) = package {
        let size = package.bytes.len();
        session.terminal.step(&format!("deploying {}: sending {size} bytes", function.name));
        request = request.header(CONTENT_TYPE, package.format.media_type()).body(package.bytes.clone());
    }
    let started: DeployStarted = session.client.json(request).await?;
    if args.is_unattended {
        return report::started(&function, &started, session);
    }
    let watched = progress::watch(&function, started.deployment_id, session).await?;
    let function = read(&function.name, session).await?.unwrap_or(function);
    report::ended(&function, &watched, &change, session)
}

/// The function as the service has it now; none where it has none. A project that is missing shows at the create.
async fn read(name: &str, session: &Session<'_>) -> Result<Option<Function>, Error> {
    match session.client.json(session.client.functions(Method::GET, &[name])).await {
        Ok(function) => Ok(Some(function)),
        Err(Error::Refused(refusal)) if refusal.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
