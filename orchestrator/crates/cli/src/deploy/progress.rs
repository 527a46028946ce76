//! A deployment from outside: which stage runs, until it ended.

use std::time::Duration;

use cloudbox_api_types::{Deployment, Function};
use reqwest::Method;

use crate::{Error, Session};

/// First wait between two looks; a small deployment is done after a few.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Longest wait between two looks.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Waits for the deployment's end and shows each stage as it begins.
///
/// # Errors
/// The service can't be asked any more.
pub async fn watch(function: &Function, id: i64, session: &mut Session<'_>) -> Result<Deployment, Error> {
    let id = id.to_string();
    let mut shown = String::new();
    let mut wait = FIRST_WAIT;
    loop {
        let request = session.client.functions(Method::GET, &[&function.name, "deployments", &id]);
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
