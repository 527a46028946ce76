//! `cloudbox versions`, `activate`, `rollback` and `diff`: which version calls get, and how two of them differ.

use cloudbox_api_types::List;
use cloudbox_api_types::version::{Activated, FieldDiff, Version, VersionDiff};
use reqwest::Method;
use serde_json::Value;

use crate::{Error, Session, connection, table};

/// Options of `versions` and `rollback`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The function's name or id
    pub name: String,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Options of `activate`.
#[derive(Clone, Debug, clap::Args)]
pub struct ActivateArgs {
    /// The function's name or id
    pub name: String,
    /// The version's number
    pub version: i64,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Options of `diff`.
#[derive(Clone, Debug, clap::Args)]
pub struct DiffArgs {
    /// The function's name or id
    pub name: String,
    /// The one version's number
    pub from: i64,
    /// The other version's number
    pub to: i64,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Prints a function's versions, newest first.
///
/// # Errors
/// The service refuses.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.functions(Method::GET, &[&args.name, "versions"]);
    let request = request.query(&[("limit", "1000")]);
    if session.is_json {
        let list: Value = session.client.json(request).await?;
        return session.terminal.json(&list);
    }
    let list: List<Version> = session.client.json(request).await?;
    let row = |version: Version| {
        vec![
            version.version.to_string(),
            if version.is_active { "active" } else { "-" }.to_owned(),
            version.created_at.to_string(),
            version.author,
            version.runtime,
            version.aliases.join(", "),
        ]
    };
    let head = ["VERSION", "STATE", "DEPLOYED", "BY", "RUNTIME", "ALIASES"];
    session.terminal.data(&table::render(&head, list.items.into_iter().map(row)))
}

/// Makes a version the active one.
///
/// # Errors
/// The service refuses.
pub async fn activate(args: &ActivateArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let number = args.version.to_string();
    switch(&[&args.name, "versions", &number, "activate"], &args.name, session).await
}

/// Makes the version active again that was before.
///
/// # Errors
/// The service refuses.
pub async fn roll_back(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    switch(&[&args.name, "rollback"], &args.name, session).await
}

async fn switch(path: &[&str], name: &str, session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.functions(Method::POST, path);
    if session.is_json {
        let answer: Value = session.client.json(request).await?;
        return session.terminal.json(&answer);
    }
    let answer: Activated = session.client.json(request).await?;
    let before = answer.previous_version.map_or_else(String::new, |version| format!(" (was {version})"));
    session.terminal.say(&format!("{name}: version {} is active{before}", answer.active_version));
    Ok(())
}

/// Prints how two versions differ.
///
/// # Errors
/// The service refuses.
pub async fn diff(args: &DiffArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let (from, to) = (args.from.to_string(), args.to.to_string());
    let request = session.client.functions(Method::GET, &[&args.name, "versions", &from, "diff", &to]);
    if session.is_json {
        let answer: Value = session.client.json(request).await?;
        return session.terminal.json(&answer);
    }
    let diff: VersionDiff = session.client.json(request).await?;
    let line = |kind: &str, one: &FieldDiff| {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        format!("{kind} {}: {} -> {}", one.name, or_none(&one.from), or_none(&one.to))
    };
    let mut lines: Vec<String> = diff.settings.iter().map(|one| line("setting", one)).collect();
    lines.extend(diff.dependencies.iter().map(|one| line("dependency", one)));
    lines.extend(diff.files.iter().flatten().map(|one| line("file", one)));
    lines.extend(diff.source.filter(|text| !text.is_empty()).map(|text| text.trim_end().to_owned()));
    if lines.is_empty() {
        session.terminal.say(&format!("versions {from} and {to} are the same"));
        return Ok(());
    }
    session.terminal.data(&lines.join("\n"))
}
