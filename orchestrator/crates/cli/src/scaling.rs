//! `cloudbox scale`: how many sandboxes a function may have, and has.

use cloudbox_api_types::{InstanceCounts, Scaling, ScalingPatch};
use reqwest::Method;
use serde_json::Value;

use crate::{Error, Session, connection, table};

/// Options of `scale`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The function's name or id
    pub name: String,
    /// Sandboxes kept warm
    #[arg(long)]
    pub min: Option<u32>,
    /// Sandboxes at most
    #[arg(long)]
    pub max: Option<u32>,
    /// Calls at once in one sandbox
    #[arg(long)]
    pub concurrency: Option<u32>,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Changes what is said, and prints what is so then.
///
/// # Errors
/// The service refuses.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    let patch = ScalingPatch {
        min_instances: args.min,
        max_instances: args.max,
        concurrency: args.concurrency,
        ..ScalingPatch::default()
    };
    let path = [args.name.as_str(), "scaling"];
    let request = if patch == ScalingPatch::default() {
        session.client.functions(Method::GET, &path)
    } else {
        session.client.functions(Method::PATCH, &path).json(&patch)
    };
    if session.is_json {
        let answer: Value = session.client.json(request).await?;
        return session.terminal.json(&answer);
    }
    let scaling: Scaling = session.client.json(request).await?;
    let Scaling { min_instances, max_instances, concurrency, .. } = scaling;
    session.terminal.say(&format!(
        "{}: {min_instances} to {max_instances} sandboxes, calls at once in each: {concurrency}",
        args.name
    ));
    let rows = scaling.versions.iter().map(|of| row(of.version.to_string(), of.counts));
    let rows = rows.chain([row("all".to_owned(), scaling.instances)]);
    let head = ["VERSION", "STARTING", "IDLE", "BUSY", "ENDING", "CALLS WAITING"];
    session.terminal.data(&table::render(&head, rows))
}

fn row(version: String, counts: InstanceCounts) -> Vec<String> {
    let InstanceCounts { starting, idle, busy, draining, waiting_calls, .. } = counts;
    let counts = [starting, idle, busy, draining, waiting_calls].map(|count| count.to_string());
    std::iter::once(version).chain(counts).collect()
}
