//! `cloudbox runtimes`: what functions can be written for here.

use cloudbox_api_types::{Runtime, RuntimeList};
use reqwest::Method;
use serde_json::Value;

use crate::{Error, Session, connection, table};

/// Options of `runtimes`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Prints every runtime with its state.
///
/// # Errors
/// The service refuses.
pub async fn run(session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.request(Method::GET, &["api", "runtimes"]);
    if session.is_json {
        let list: Value = session.client.json(request).await?;
        return session.terminal.json(&list);
    }
    let list: RuntimeList = session.client.json(request).await?;
    let head = ["RUNTIME", "STATE", "SERVED BY", "VERSION", "LANGUAGES", "END OF LIFE"];
    session.terminal.data(&table::render(&head, list.items.into_iter().map(row)))
}

fn row(runtime: Runtime) -> Vec<String> {
    let dash = || "-".to_owned();
    let is_own = runtime.resolved.as_deref() == Some(&runtime.name);
    vec![
        if runtime.is_default { format!("{} (default)", runtime.name) } else { runtime.name },
        runtime.state,
        runtime.resolved.filter(|_| !is_own).unwrap_or_else(dash),
        if runtime.version.is_empty() { dash() } else { runtime.version },
        runtime.languages.join(", "),
        runtime.end_of_life.unwrap_or_else(dash),
    ]
}
