//! Every subcommand against a server that plays answers: exit code, both outputs and the requests, as snapshots.

#![expect(clippy::unwrap_used, reason = "a test may end where its stage can't be set")]

#[path = "commands/deploy.rs"]
mod deploy;
#[path = "commands/invoke.rs"]
mod invoke;
#[path = "commands/lists.rs"]
mod lists;
#[path = "commands/samples.rs"]
mod samples;
#[path = "commands/secrets.rs"]
mod secrets;
#[path = "commands/stage.rs"]
mod stage;
#[path = "commands/versions.rs"]
mod versions;
