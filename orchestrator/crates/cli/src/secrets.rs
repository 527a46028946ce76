//! `cloudbox secrets`: variables that all functions of the project get.

use std::io::{IsTerminal as _, Read as _};

use cloudbox_api_types::{List, ProjectSecret, SecretRotation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Error, Session, connection, table};

/// Most bytes of a value.
const MAX_BYTES: u64 = 64 << 10;

/// Options of `secrets`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// What is done with secrets.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Action {
    /// Set a secret; its value comes from stdin, without the line's end
    Set {
        /// The variable that functions have it in
        name: String,
    },
    /// List the names; values are never shown
    #[command(visible_alias = "ls")]
    List,
    /// Take a secret away
    Unset {
        /// The variable
        name: String,
    },
    /// Encrypt all secret values of the service with its present key
    Rotate,
}

/// Does it.
///
/// # Errors
/// The service refuses, or there is no value.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    match &args.action {
        Action::Set { name } => {
            let value = value(name)?;
            let request = request(session, Method::PUT, &[name]).json(&json!({ "value": value }));
            let set: ProjectSecret = session.client.json(request).await?;
            session.terminal.say(&format!("{} is set; functions have it from their next call on", set.name));
            Ok(())
        }
        Action::Unset { name } => {
            session.client.send(request(session, Method::DELETE, &[name])).await?;
            session.terminal.say(&format!("{name} is gone"));
            Ok(())
        }
        Action::List => list(session).await,
        Action::Rotate => {
            let request = session.client.request(Method::POST, &["api", "secrets", "rotate"]);
            let done: SecretRotation = session.client.json(request).await?;
            if session.is_json {
                return session.terminal.json(&json!(done));
            }
            let SecretRotation { key_id, rotated, unreadable } = done;
            session.terminal.say(&format!("{rotated} rows are encrypted anew with key {key_id}"));
            if unreadable > 0 {
                session
                    .terminal
                    .warn(&format!("{unreadable} rows can't be decrypted by any key that is here"));
            }
            Ok(())
        }
    }
}

fn request(session: &Session<'_>, method: Method, below: &[&str]) -> reqwest::RequestBuilder {
    let mut path = vec!["api", "projects", session.client.project(), "secrets"];
    path.extend(below);
    session.client.request(method, &path)
}

async fn list(session: &mut Session<'_>) -> Result<(), Error> {
    let request = request(session, Method::GET, &[]).query(&[("limit", "1000")]);
    if session.is_json {
        let list: Value = session.client.json(request).await?;
        return session.terminal.json(&list);
    }
    let list: List<ProjectSecret> = session.client.json(request).await?;
    let row = |secret: ProjectSecret| vec![secret.name, secret.value, format!("{:.0}", secret.updated_at)];
    session.terminal.data(&table::render(&["NAME", "VALUE", "SET AT"], list.items.into_iter().map(row)))
}

/// The value that stdin brings. A terminal would show what is typed.
fn value(name: &str) -> Result<String, Error> {
    let stdin = std::io::stdin();
    let (name, is_given) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
    if is_given || stdin.is_terminal() {
        return Err(Error::Usage(format!(
            "the value comes from stdin, so that no terminal and no history shows it: `cloudbox secrets set {name} < FILE`"
        )));
    }
    let mut value = String::new();
    let read = stdin.take(MAX_BYTES + 1).read_to_string(&mut value);
    read.map_err(|error| Error::Usage(format!("the value can't be read: {error}")))?;
    if value.len() as u64 > MAX_BYTES {
        return Err(Error::Usage(format!("the value has more than {MAX_BYTES} bytes")));
    }
    let line = value.strip_suffix('\n').unwrap_or(&value);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
