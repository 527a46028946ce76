//! Deployments: what begins, notes and ends them. Each change takes the function's row first, so that two of them, or
//! one and the function's deletion, wait for one another and can't lock each other out.

use std::collections::BTreeMap;

use cloudbox_database::{Query, Row, Transaction};
use cloudbox_types::alias::ACTIVE;
use cloudbox_types::version::{Stage, StageReport, StageStatus};
use cloudbox_types::{
    Alias, Deployment, DeploymentId, DeploymentStatus, Function, FunctionId, Name, Page, PageRequest, Version,
};
use jiff::Timestamp;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed};
use crate::store::{Begin, NewVersion};
use crate::switch;

/// Bytes of build logs that are kept.
const MAX_LOGS: usize = 1 << 20;
/// Ends logs that were longer.
const CUT: &str = "\n[build logs cut at 1 MiB]\n";

const MARK_BUILDING: &str =
    "UPDATE functions SET status = 'building', updated_at = $2 WHERE id = $1 AND status <> 'building'";

/// Numbers of failed deployments aren't used again either.
const INSERT: &str = "INSERT INTO deployments \
     (function_id, version, status, stage, stages, build_logs, created_at, author, activates, node) \
     SELECT $1, COALESCE(MAX(version), 0) + 1, 'building', $2, $3, '', $4, $5, $6, $7 FROM deployments WHERE function_id = $1 \
     RETURNING *";

pub(crate) const LIST: &str =
    "SELECT * FROM deployments WHERE function_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

const BY_ID: &str = "SELECT * FROM deployments WHERE id = $1";

const HOLD: &str = "UPDATE functions SET generation = generation WHERE id = $1 RETURNING aliases";

const NOTE: &str = "UPDATE deployments SET stage = $2, stages = $3, build_logs = $4 \
     WHERE id = $1 AND status = 'building'";

const END: &str = "UPDATE deployments SET status = $2, stage = $3, stages = $4, error = $5, finished_at = $6 \
     WHERE id = $1 AND status = 'building'";

/// The function gets the deployment's logs, and with a version that becomes the active one its number and runtime.
const END_IN_FUNCTION: &str = "UPDATE functions SET status = $2, \
     build_logs = (SELECT build_logs FROM deployments WHERE id = $1), \
     active_version = CASE WHEN $3 THEN (SELECT version FROM deployments WHERE id = $1) ELSE active_version END, \
     resolved_runtime = COALESCE($4, resolved_runtime), aliases = COALESCE($6, aliases), \
     generation = generation + 1, updated_at = $5 \
     WHERE id = (SELECT function_id FROM deployments WHERE id = $1 AND status = 'building') RETURNING *";

const INSERT_VERSION: &str = "INSERT INTO versions \
     (function_id, number, runtime, language, entry_point, handler_style, digest, main, created_at, package, code, \
     dependencies, author, image) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

/// How a deployment ends.
struct End<'a> {
    stage: Stage,
    stages: &'a [StageReport],
    outcome: Result<(&'a NewVersion, &'a Deployment, &'a str), &'a str>,
}

/// The function's aliases without the split of the active version, which ends with it; as JSON.
async fn without_split(open: &mut Transaction, deployment: &Deployment) -> Result<String, Error> {
    // Held first, as by every change: so they are those of now.
    let row = open.row(Query::new(HOLD).bind(deployment.function_id.0)).await?;
    let row = row.ok_or(Error::Missing { what: "function" })?;
    let mut aliases: BTreeMap<Name, Alias> = row.json("aliases")?;
    aliases.remove(ACTIVE);
    Ok(serde_json::json!(aliases).to_string())
}

fn to_json(stages: &[StageReport]) -> String {
    serde_json::json!(stages).to_string()
}

/// Appends to logs; those that are full stay as they are.
fn append(logs: &mut String, new: &str) {
    if logs.ends_with(CUT) {
        return;
    }
    logs.push_str(new);
    if logs.len() > MAX_LOGS {
        logs.truncate(logs.floor_char_boundary(MAX_LOGS - CUT.len()));
        logs.push_str(CUT);
    }
}

/// Why a running deployment wasn't found.
async fn not_running(open: &mut Transaction, id: DeploymentId) -> Error {
    let query = Query::new("SELECT id FROM deployments WHERE id = $1").bind(id.0);
    match open.row(query).await {
        Ok(None) => Error::Missing { what: "deployment" },
        Ok(Some(_)) => Error::Refused { why: format!("deployment {id} has ended already") },
        Err(error) => error.into(),
    }
}

impl SqlStore {
    pub(crate) async fn insert_deployment(
        &self,
        function: FunctionId,
        begin: &Begin,
    ) -> Result<Deployment, Error> {
        let now = Timestamp::now().as_millisecond();
        let mut open = self.database.begin().await?;
        if open.execute(Query::new(MARK_BUILDING).bind(function.0).bind(now)).await? == 0 {
            let query = Query::new("SELECT id FROM functions WHERE id = $1").bind(function.0);
            open.row(query).await?.ok_or(Error::Missing { what: "function" })?;
            let why = "a deployment of this function is running; wait until it has ended, then deploy again";
            return Err(Error::Refused { why: why.to_owned() });
        }
        let stages =
            Stage::ALL.map(|name| StageReport { name, status: StageStatus::Pending, duration_ms: None });
        let query = Query::new(INSERT)
            .bind(function.0)
            .bind(Stage::Validate.as_str())
            .bind(to_json(&stages))
            .bind(now)
            .bind(begin.author.as_str())
            .bind(begin.activates)
            .bind(begin.node.as_str());
        let made = open.row(query).await?.ok_or(sqlx::Error::RowNotFound)?.deployment()?;
        committed(open, made).await
    }

    pub(crate) async fn note_progress(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        new_logs: &str,
    ) -> Result<(), Error> {
        let mut open = self.database.begin().await?;
        let query = Query::new("SELECT build_logs FROM deployments WHERE id = $1").bind(id.0);
        let row = open.row(query).await?.ok_or(Error::Missing { what: "deployment" })?;
        let mut logs = row.get("build_logs")?;
        append(&mut logs, new_logs);
        let query = Query::new(NOTE).bind(id.0).bind(stage.as_str()).bind(to_json(stages)).bind(logs);
        if open.execute(query).await? == 0 {
            return Err(not_running(&mut open, id).await);
        }
        committed(open, ()).await
    }

    pub(crate) async fn end_with_version(
        &self,
        id: DeploymentId,
        stages: &[StageReport],
        version: NewVersion,
    ) -> Result<(Function, Version), Error> {
        let mut open = self.database.begin().await?;
        let row =
            open.row(Query::new(BY_ID).bind(id.0)).await?.ok_or(Error::Missing { what: "deployment" })?;
        let deployment = row.deployment()?;
        let aliases = without_split(&mut open, &deployment).await?;
        let end = End { stage: Stage::HealthCheck, stages, outcome: Ok((&version, &deployment, &aliases)) };
        let function = self.end(&mut open, id, end).await?;
        if deployment.activates {
            switch::note_activation(&mut open, function.id, deployment.version, &deployment.author).await?;
        }
        let code = version.code;
        let version = Version {
            function_id: function.id,
            number: deployment.version,
            runtime: version.runtime,
            language: function.settings.language,
            entry_point: version.entry_point,
            handler_style: version.handler_style,
            digest: version.digest,
            main: version.main,
            package: version.package,
            image: version.image,
            dependencies: version.dependencies,
            author: deployment.author,
            created_at: function.updated_at,
        };
        let query = Query::new(INSERT_VERSION)
            .bind(version.function_id.0)
            .bind(version.number)
            .bind(version.runtime.as_str())
            .bind(version.language.as_str())
            .bind(version.entry_point.as_str())
            .bind(version.handler_style.as_str())
            .bind(version.digest.as_str())
            .bind(version.main.as_str())
            .bind(version.created_at.as_millisecond())
            .bind(version.package.as_deref())
            .bind(code)
            .bind(serde_json::json!(version.dependencies).to_string())
            .bind(version.author.as_str())
            .bind(version.image.as_ref().map(|image| serde_json::json!(image).to_string()));
        open.execute(query).await?;
        committed(open, (function, version)).await
    }

    pub(crate) async fn end_without_version(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        error: &str,
    ) -> Result<Function, Error> {
        let mut open = self.database.begin().await?;
        let function = self.end(&mut open, id, End { stage, stages, outcome: Err(error) }).await?;
        committed(open, function).await
    }

    /// Ends those that a query finds, in the functions' order.
    pub(crate) async fn end_found(
        &self,
        open: &mut Transaction,
        running: Query,
        error: &str,
    ) -> Result<u64, Error> {
        let unfinished = open.rows(running).await?;
        for row in &unfinished {
            let mut deployment = row.deployment()?;
            for stage in &mut deployment.stages {
                stage.status = match stage.status {
                    StageStatus::Running => StageStatus::Failed,
                    StageStatus::Pending => StageStatus::Skipped,
                    ended => ended,
                };
            }
            let end = End { stage: deployment.stage, stages: &deployment.stages, outcome: Err(error) };
            self.end(open, deployment.id, end).await?;
        }
        Ok(unfinished.len() as u64)
    }

    /// Ends a deployment in both tables.
    async fn end(&self, open: &mut Transaction, id: DeploymentId, end: End<'_>) -> Result<Function, Error> {
        let now = Timestamp::now().as_millisecond();
        let status = match end.outcome {
            Ok(_) => DeploymentStatus::Deployed,
            Err(_) => DeploymentStatus::Failed,
        };
        let active = end.outcome.ok().filter(|(_, deployment, _)| deployment.activates);
        let query = Query::new(END_IN_FUNCTION)
            .bind(id.0)
            .bind(status.as_str())
            .bind(active.is_some())
            .bind(active.map(|(version, ..)| version.runtime.as_str()))
            .bind(now)
            .bind(active.map(|(.., aliases)| aliases));
        let Some(row) = open.row(query).await? else {
            return Err(not_running(open, id).await);
        };
        let query = Query::new(END)
            .bind(id.0)
            .bind(status.as_str())
            .bind(end.stage.as_str())
            .bind(to_json(end.stages))
            .bind(end.outcome.err())
            .bind(now);
        // Another one that ended it first held the function's row until now.
        if open.execute(query).await? == 0 {
            return Err(not_running(open, id).await);
        }
        row.function(&self.key)
    }

    pub(crate) async fn list_deployments(
        &self,
        function: FunctionId,
        page: PageRequest,
    ) -> Result<Page<Deployment>, Error> {
        let query = Query::new(LIST).bind(function.0).bind(page.after.unwrap_or(i64::MAX));
        self.list(query, page, "id", Row::deployment).await
    }
}
