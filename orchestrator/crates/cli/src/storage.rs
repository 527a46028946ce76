//! `cloudbox storage gc`: what nothing refers to any more goes.

use cloudbox_api_types::{CollectGarbage, Garbage, GarbageItem};
use reqwest::Method;
use serde_json::json;

use crate::{Error, Session, connection, table};

/// What is done with what the service keeps.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Remove what no version, function or deployment refers to any more
    Gc(Args),
}

impl Command {
    pub(crate) const fn connection(&self) -> &connection::Args {
        match self {
            Self::Gc(args) => &args.connection,
        }
    }
}

/// Options of `storage gc`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Remove nothing; list what would go, and how many bytes
    #[arg(long = "dry-run")]
    pub is_dry: bool,
    /// Seconds for which nothing must have referred to what goes; else as the service is set
    #[arg(long = "grace", value_name = "SECONDS")]
    pub grace_s: Option<u64>,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Does it.
///
/// # Errors
/// The service refuses, or something could not be removed.
pub async fn run(command: &Command, session: &mut Session<'_>) -> Result<(), Error> {
    let Command::Gc(args) = command;
    let request = session.client.request(Method::POST, &["api", "storage", "gc"]);
    let request = request.json(&CollectGarbage { dry_run: args.is_dry, grace_s: args.grace_s });
    session.terminal.step("looking for what nothing refers to");
    let garbage: Garbage = session.client.json(request).await?;
    session.terminal.restore();
    if session.is_json {
        session.terminal.json(&json!(garbage))?;
    } else {
        show(&garbage, session)?;
    }
    match garbage.failed {
        0 => Ok(()),
        count => Err(Error::Failed(format!("{count} of them could not be removed"))),
    }
}

fn show(garbage: &Garbage, session: &mut Session<'_>) -> Result<(), Error> {
    if !garbage.items.is_empty() {
        let head = ["KIND", "NAME", "PLACE", "BYTES", "STATE"];
        session.terminal.data(&table::render(&head, garbage.items.iter().map(row)))?;
    }
    for note in &garbage.notes {
        session.terminal.warn(note);
    }
    let (verb, count, bytes) = if garbage.dry_run {
        ("would remove", garbage.removable, garbage.removable_bytes)
    } else {
        ("removed", garbage.removed, garbage.removed_bytes)
    };
    session.terminal.say(&format!("{verb} {count} items of {bytes} bytes"));
    if garbage.waiting > 0 {
        let (count, bytes) = (garbage.waiting, garbage.waiting_bytes);
        session.terminal.say(&format!("{count} more of {bytes} bytes wait until their grace is over"));
    }
    Ok(())
}

fn row(item: &GarbageItem) -> Vec<String> {
    let state = match (&item.waits_s, &item.error) {
        (Some(seconds), _) => format!("waits {seconds} s"),
        (_, Some(error)) => format!("failed: {error}"),
        _ => item.state.clone(),
    };
    vec![item.kind.clone(), item.name.clone(), item.place.clone(), item.bytes.to_string(), state]
}
