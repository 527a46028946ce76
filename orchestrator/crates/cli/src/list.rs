//! `cloudbox list`: the project's functions.

use cloudbox_api_types::{Function, List};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Error, Session, connection, table};

/// Items of one request; the service's most.
const PAGE: &str = "1000";

/// Options of `list`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Prints every function of the project.
///
/// # Errors
/// The service refuses.
pub async fn run(session: &mut Session<'_>) -> Result<(), Error> {
    if session.is_json {
        let items: Vec<Value> = all(session).await?;
        return session.terminal.json(&json!({ "items": items, "next_cursor": null }));
    }
    let functions: Vec<Function> = all(session).await?;
    if functions.is_empty() {
        let project = session.client.project().to_owned();
        session
            .terminal
            .say(&format!("project {project} has no functions; make one with `cloudbox deploy FILE`"));
        return Ok(());
    }
    let head = ["NAME", "STATUS", "VERSION", "RUNTIME", "ACCESS", "CALLS", "URL"];
    session.terminal.data(&table::render(&head, functions.into_iter().map(row)))
}

async fn all<T: serde::de::DeserializeOwned>(session: &Session<'_>) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut request = session.client.functions(Method::GET, &[]).query(&[("limit", PAGE)]);
        if let Some(cursor) = &cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let page: List<T> = session.client.json(request).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(items);
        }
    }
}

fn row(function: Function) -> Vec<String> {
    let status = if function.is_active { function.status } else { "off".to_owned() };
    vec![
        function.name,
        status,
        function.active_version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
        function.resolved_runtime.unwrap_or(function.runtime),
        if function.is_public { "public" } else { "private" }.to_owned(),
        function.invocation_count.to_string(),
        function.url,
    ]
}
