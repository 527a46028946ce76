//! Deployments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of a deploy that goes on in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployStarted {
    /// `building`.
    #[schema(example = "building")]
    pub status: String,
    /// The number that the version will have.
    pub version: i64,
    /// Where to ask how it goes.
    pub deployment_id: i64,
}

/// Answer of a deploy that was waited for and succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    /// `deployed`.
    #[schema(example = "deployed")]
    pub status: String,
    /// The number of the version; it is the active one now, unless `activate=false` was asked for.
    pub version: i64,
    /// The deployment.
    pub deployment_id: i64,
    /// The runtime that serves it.
    pub resolved_runtime: Option<String>,
    /// All stages, in order.
    pub stages: Vec<StageReport>,
    /// What the stages printed.
    pub build_logs: String,
}

/// One stage of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageReport {
    /// `validate`, `install`, `build`, `register` or `health_check`.
    #[schema(example = "validate")]
    pub name: String,
    /// `pending`, `running`, `succeeded`, `failed` or `skipped`.
    #[schema(example = "succeeded")]
    pub status: String,
    /// Null before it ended.
    pub duration_ms: Option<u64>,
}

/// One run of the deploy pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Counted from 1.
    pub id: i64,
    /// Of which function.
    pub function_id: i64,
    /// The number that its version has, or would have had.
    pub version: i64,
    /// Who began it.
    #[schema(example = "admin")]
    pub author: String,
    /// Whether its version becomes the active one.
    pub activates: bool,
    /// `building`, `deployed` or `failed`.
    #[schema(example = "deployed")]
    pub status: String,
    /// The stage that runs, or that ended it.
    #[schema(example = "health_check")]
    pub stage: String,
    /// All stages, in order.
    pub stages: Vec<StageReport>,
    /// How many turns away it is from being built, 1 for the next; null where it doesn't wait.
    pub queue_place: Option<u32>,
    /// What the stages printed so far.
    pub build_logs: String,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// One event `log` of a deployment's stream: a line. The event `end` carries the [`Deployment`], `stage` a [`StageReport`],
/// and `queued` a [`Queued`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEvent {
    /// The stage that said it.
    pub stage: String,
    /// The line as it is in `build_logs`, its end included.
    pub text: String,
}

/// One event `queued` of a deployment's stream: it waits for its turn to be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Queued {
    /// How many turns away it is, 1 for the next.
    pub place: u32,
}

/// The word that serde gives a unit variant.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl From<cloudbox_types::StageReport> for StageReport {
    fn from(report: cloudbox_types::StageReport) -> Self {
        Self {
            name: report.name.as_str().to_owned(),
            status: word(report.status),
            duration_ms: report.duration_ms,
        }
    }
}

impl From<cloudbox_types::Deployment> for Deployment {
    fn from(deployment: cloudbox_types::Deployment) -> Self {
        Self {
            id: deployment.id.0,
            function_id: deployment.function_id.0,
            version: deployment.version,
            author: deployment.author,
            activates: deployment.activates,
            status: deployment.status.as_str().to_owned(),
            stage: deployment.stage.as_str().to_owned(),
            stages: deployment.stages.into_iter().map(Into::into).collect(),
            queue_place: None,
            build_logs: deployment.build_logs,
            error: deployment.error,
            created_at: deployment.created_at,
            finished_at: deployment.finished_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudbox_types::{Stage, StageStatus};

    use super::*;

    #[test]
    fn a_stage_report_has_the_words_of_the_api() {
        let report = cloudbox_types::StageReport {
            name: Stage::HealthCheck,
            status: StageStatus::Succeeded,
            duration_ms: Some(7),
        };
        let shown = serde_json::to_string(&StageReport::from(report)).unwrap();
        assert_eq!(shown, r#"{"name":"health_check","status":"succeeded","duration_ms":7}"#);
    }
}
