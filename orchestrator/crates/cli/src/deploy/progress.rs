//! A deployment from outside: which stage runs and what it prints, until it ended.

use std::time::Duration;

use cloudbox_api_types::{Deployment, Function, LogEvent, Queued, StageReport};
use futures::StreamExt;
use reqwest::Method;

use crate::{Error, Session, follow};

/// First wait between two looks; a small deployment is done after a few.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A deployment that ended.
#[derive(Debug)]
pub struct Watched {
    /// How it ended.
    pub deployment: Deployment,
    /// Whether its logs were shown as they came.
    pub has_shown_logs: bool,
}

/// Waits for the deployment's end and shows each stage as it begins, and what it prints.
///
/// # Errors
/// The service can't be asked any more.
pub async fn watch(function: &Function, id: i64, session: &mut Session<'_>) -> Result<Watched, Error> {
    let id = id.to_string();
    if let Some(deployment) = follow(function, &id, session).await {
        return Ok(Watched { deployment, has_shown_logs: true });
    }
    let deployment = look(function, &id, session).await?;
    Ok(Watched { deployment, has_shown_logs: false })
}

/// Follows the stream of events; none where it broke off before the end, and the service has to be asked.
async fn follow(function: &Function, id: &str, session: &mut Session<'_>) -> Option<Deployment> {
    let request = session.client.functions(Method::GET, &[&function.name, "deployments", id, "logs"]);
    let request = request.query(&[("follow", "true")]).header("accept", "text/event-stream");
    let stream = session.client.send(request).await.ok()?;
    let mut events = std::pin::pin!(follow::events(stream.bytes_stream()));
    let name = &function.name;
    while let Some(event) = events.next().await {
        match event.name.as_str() {
            "queued" => {
                let Queued { place } = serde_json::from_str(&event.data).ok()?;
                session
                    .terminal
                    .step(&format!("deploying {name}: waits for its turn, place {place} in the queue"));
            }
            "stage" => {
                let stage: StageReport = serde_json::from_str(&event.data).ok()?;
                if stage.status == "running" {
                    session.terminal.step(&format!("deploying {name}: {}", words(&stage.name)));
                }
            }
            "log" => {
                let line: LogEvent = serde_json::from_str(&event.data).ok()?;
                session.terminal.say(line.text.trim_end());
                // A line takes the spinner away.
                if session.terminal.is_watched() {
                    session.terminal.step(&format!("deploying {name}: {}", words(&line.stage)));
                }
            }
            "end" => return serde_json::from_str(&event.data).ok(),
            _ => {}
        }
    }
    None
}

/// Asks again and again.
async fn look(function: &Function, id: &str, session: &mut Session<'_>) -> Result<Deployment, Error> {
    let mut shown = String::new();
    let mut wait = FIRST_WAIT;
    loop {
        let request = session.client.functions(Method::GET, &[&function.name, "deployments", id]);
        let deployment: Deployment = session.client.json(request).await?;
        if deployment.status != "building" {
            return Ok(deployment);
        }
        if deployment.stage != shown {
            session.terminal.step(&format!("deploying {}: {}", function.name, words(&deployment.stage)));
            shown.clone_from(&deployment.stage);
        }
        tokio::time::sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
}

/// `health_check` as people write it.
#[must_use]
pub fn words(stage: &str) -> String {
    stage.replace('_', " ")
}
