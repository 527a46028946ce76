//! How a deploy ended, and how to call what was deployed.

use cloudbox_api_types::{DeployStarted, Function};
use serde_json::json;

use super::change::Change;
use super::progress::{Watched, words};
use crate::{Error, Session};

/// Nothing had to be deployed.
///
/// # Errors
/// stdout is closed.
pub fn unchanged(function: &Function, change: &Change, session: &mut Session<'_>) -> Result<(), Error> {
    if session.is_json {
        return session.terminal.json(&summary(function, change, "unchanged"));
    }
    let version = function.active_version.unwrap_or_default();
    session.terminal.say(&match sent(change) {
        [] => format!("no changes: {} stays at version {version}", function.name),
        fields => format!(
            "{}: sent {}; the code is the same, version {version} stays",
            function.name,
            fields.join(", ")
        ),
    });
    call_lines(function, session)
}

/// A deployment runs that nobody waits for.
///
/// # Errors
/// stdout is closed.
pub fn started(function: &Function, started: &DeployStarted, session: &mut Session<'_>) -> Result<(), Error> {
    if session.is_json {
        let value = json!({ "name": function.name, "status": started.status, "version": started.version,
            "deployment_id": started.deployment_id });
        return session.terminal.json(&value);
    }
    let id = started.deployment_id;
    session.terminal.say(&format!("{}: deployment {id} makes version {}", function.name, started.version));
    session.terminal.data(&address(function, session))
}

/// The deployment ended.
///
/// # Errors
/// It failed, or stdout is closed.
pub fn ended(
    function: &Function,
    watched: &Watched,
    change: &Change,
    session: &mut Session<'_>,
) -> Result<(), Error> {
    let Watched { deployment, has_shown_logs } = watched;
    if session.is_json {
        let mut value = summary(function, change, &deployment.status);
        value["deployment"] = json!(deployment);
        session.terminal.json(&value)?;
    }
    if deployment.status != "deployed" {
        if !has_shown_logs || session.terminal.is_quiet() {
            session.terminal.block(&deployment.build_logs);
        }
        let reason = deployment.error.as_deref().unwrap_or("no reason was given");
        return Err(Error::Failed(format!(
            "{} was not deployed: {} failed: {reason}{}",
            function.name,
            words(&deployment.stage),
            still_active(function)
        )));
    }
    if session.is_json {
        return Ok(());
    }
    if !has_shown_logs {
        for warning in deployment.build_logs.lines().filter(|line| line.contains("warning: ")) {
            session.terminal.say(warning);
        }
    }
    let verb = if *change == Change::Created { "created and deployed" } else { "deployed" };
    let runtime = function.resolved_runtime.as_deref().unwrap_or(&function.runtime);
    let line = format!("{verb} {} version {} on {runtime}", function.name, deployment.version);
    let line = session.terminal.pleasing(&line);
    session.terminal.say(&line);
    call_lines(function, session)
}

fn still_active(function: &Function) -> String {
    match function.active_version {
        Some(version) => format!("; version {version} stays active"),
        None => String::new(),
    }
}

fn sent(change: &Change) -> &[String] {
    match change {
        Change::Created => &[],
        Change::Changed { fields, .. } => fields,
    }
}

fn summary(function: &Function, change: &Change, status: &str) -> serde_json::Value {
    json!({ "name": function.name, "id": function.id, "status": status, "version": function.active_version,
        "is_new": *change == Change::Created, "changed": sent(change), "url": function.url })
}

/// The URL to stdout; the line that calls it to stderr, so that `$(cloudbox deploy …)` is the URL.
fn call_lines(function: &Function, session: &mut Session<'_>) -> Result<(), Error> {
    let address = address(function, session);
    session.terminal.data(&address)?;
    let credential = if function.is_public {
        String::new()
    } else {
        format!(" -H \"Authorization: Bearer {}\"", session.credential_word)
    };
    session.terminal.say(&format!(
        "call it:\n  curl -X POST {address}{credential} -H 'Content-Type: application/json' -d '{{\"name\": \"you\"}}'"
    ));
    Ok(())
}

/// Where the function is called: as the service says, below the address that the client knows where it says a path.
fn address(function: &Function, session: &Session<'_>) -> String {
    let base = session.client.base();
    base.join(&function.url).map_or_else(|_| function.url.clone(), Into::into)
}
