//! [`Store`] over SQL: which method is answered where. The statements are in `projects`, `functions`, `deployments`
//! and `records`, those of documents in a crate of their own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_database::{Query, Row};
use cloudbox_documents::{self as documents, Desk, Operation, Quota, Rehearsal};
use cloudbox_types::version::Stage;
use cloudbox_types::{
    Activation, Deployment, DeploymentId, Function, FunctionId, InvocationId, Name, Page, PageRequest,
    Project, ProjectId, Record, RecordStatus, Secret, StageReport, Switch, Version,
};
use jiff::Timestamp;

use crate::changes::{Changes, Generation};
use crate::error::Error;
use crate::objects::Objects;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;
use crate::store::{
    Begin, FunctionPatch, NewFunction, NewProject, NewVersion, NumberedPage, Overview, ProjectPatch,
    RecordFilter, Rotation, SharedSecret, Store, Totals,
};

#[async_trait]
impl Store for SqlStore {
    async fn ping(&self) -> Result<(), Error> {
        self.database.row(Query::new("SELECT id FROM totals")).await?;
        if self.database.changes_failed() {
            let mut open = self.database.begin().await?;
            open.execute(Query::new("UPDATE totals SET id = id")).await?;
            open.commit().await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), Error> {
        if self.database.is_postgres() {
            return Ok(());
        }
        // It reads all of the file, which takes what it takes.
        let found = self.database.fetch(Query::new("PRAGMA quick_check(1)")).await?.pop();
        let word: String = found.map(|row| row.get("quick_check")).transpose()?.unwrap_or_default();
        if word == "ok" {
            return Ok(());
        }
        Err(Error::Unusable {
            why: format!(
                "the SQLite file is damaged ({word}); restore a backup, or move it away to begin anew"
            ),
        })
    }

    async fn create_project(&self, project: NewProject) -> Result<Project, Error> {
        self.insert_project(project).await
    }
    async fn project(&self, id: ProjectId) -> Result<Option<Project>, Error> {
        self.find(Query::new("SELECT * FROM projects WHERE id = $1").bind(id.0), Row::project).await
    }
    async fn project_by_slug(&self, slug: &str) -> Result<Option<Project>, Error> {
        self.find(Query::new("SELECT * FROM projects WHERE slug = $1").bind(slug), Row::project).await
    }
    async fn projects(&self, page: PageRequest) -> Result<Page<Project>, Error> {
        self.list_projects(page).await
    }
    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Error> {
        self.patch_project(id, patch).await
    }
    async fn delete_project(&self, id: ProjectId) -> Result<(), Error> {
        self.delete_project_of(id).await
    }

    async fn create_function(&self, function: NewFunction) -> Result<Function, Error> {
        self.insert_function(function).await
    }
    async fn function(&self, id: FunctionId) -> Result<Option<Function>, Error> {
        self.function_by_id(id).await
    }
    async fn function_by_name(&self, project: ProjectId, name: &str) -> Result<Option<Function>, Error> {
        self.function_named(project, name).await
    }
    async fn functions(&self, project: ProjectId, page: PageRequest) -> Result<Page<Function>, Error> {
        self.list_functions(project, page).await
    }
    async fn deployed(&self, page: PageRequest) -> Result<Page<(Function, Version)>, Error> {
        self.list_deployed(page).await
    }
    async fn generations(&self) -> Result<Vec<Generation>, Error> {
        self.list_generations().await
    }
    async fn changes(&self) -> Result<Option<Changes>, Error> {
        self.listen().await
    }
    async fn update_function(&self, id: FunctionId, patch: FunctionPatch) -> Result<Function, Error> {
        self.patch_function(id, patch).await
    }
    async fn delete_function(&self, id: FunctionId) -> Result<(), Error> {
        self.delete_function_of(id).await
    }

    async fn set_secret(
        &self,
        project: ProjectId,
        name: &str,
        value: Option<Secret<String>>,
    ) -> Result<Vec<FunctionId>, Error> {
        self.put_secret(project, name, value).await
    }
    async fn secrets(&self, project: ProjectId, page: PageRequest) -> Result<Page<SharedSecret>, Error> {
        self.list_secrets(project, page).await
    }
    async fn secret(&self, project: ProjectId, name: &str) -> Result<Option<SharedSecret>, Error> {
        self.secret_named(project, name).await
    }
    async fn rotate_secrets(&self) -> Result<Rotation, Error> {
        self.rotate().await
    }

    async fn version(&self, function: FunctionId, number: i64) -> Result<Option<Version>, Error> {
        self.version_by_number(function, number).await
    }
    async fn version_code(&self, function: FunctionId, number: i64) -> Result<Option<String>, Error> {
        self.code_of_version(function, number).await
    }
    async fn versions(&self, function: FunctionId, page: PageRequest) -> Result<Page<Version>, Error> {
        self.list_versions(function, page).await
    }
    async fn activations(&self, function: FunctionId, page: PageRequest) -> Result<Page<Activation>, Error> {
        self.list_activations(function, page).await
    }
    async fn switch(
        &self,
        function: FunctionId,
        switch: &Switch,
        author: &str,
    ) -> Result<(Function, Option<Version>), Error> {
        self.make_switch(function, switch, author).await
    }
    async fn versions_on(&self, runtime: &str) -> Result<Vec<(String, i64)>, Error> {
        self.list_versions_on(runtime).await
    }

    async fn begin_deployment_as(&self, function: FunctionId, begin: &Begin) -> Result<Deployment, Error> {
        self.insert_deployment(function, begin).await
    }
    async fn note_deployment(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        new_logs: &str,
    ) -> Result<(), Error> {
        self.note_progress(id, stage, stages, new_logs).await
    }
    async fn finish_deployment(
        &self,
        id: DeploymentId,
        stages: &[StageReport],
        version: NewVersion,
    ) -> Result<(Function, Version), Error> {
        self.end_with_version(id, stages, version).await
    }
    async fn fail_deployment(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        error: &str,
    ) -> Result<Function, Error> {
        self.end_without_version(id, stage, stages, error).await
    }
    async fn fail_unfinished_deployments(&self, node: &str, error: &str) -> Result<u64, Error> {
        self.end_unfinished(node, error).await
    }
    async fn note_alive(&self, node: &str) -> Result<bool, Error> {
        self.note_node(node).await
    }
    async fn fail_abandoned_deployments(&self, silent: Duration, error: &str) -> Result<u64, Error> {
        self.end_abandoned(silent, error).await
    }
    async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>, Error> {
        self.find(Query::new("SELECT * FROM deployments WHERE id = $1").bind(id.0), Row::deployment).await
    }
    async fn deployments(&self, function: FunctionId, page: PageRequest) -> Result<Page<Deployment>, Error> {
        self.list_deployments(function, page).await
    }

    async fn append_records(&self, records: &[Record]) -> Result<(), Error> {
        self.insert_records(records).await
    }
    async fn records(
        &self,
        function: FunctionId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error> {
        self.list_records(function, filter, page).await
    }
    async fn records_after(
        &self,
        function: FunctionId,
        status: Option<RecordStatus>,
        after: Option<i64>,
    ) -> Result<Page<Record>, Error> {
        self.list_records_after(function, status, after).await
    }
    async fn inline_records(
        &self,
        project: ProjectId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error> {
        self.list_inline_records(project, filter, page).await
    }
    async fn numbered_records(
        &self,
        function: FunctionId,
        page: NumberedPage,
    ) -> Result<(Vec<Record>, i64), Error> {
        self.records_by_number(function, page).await
    }
    async fn newest_records(&self, limit: u32) -> Result<Vec<(Record, Name)>, Error> {
        self.newest(limit).await
    }
    async fn overview(&self) -> Result<Overview, Error> {
        self.read_overview().await
    }
    async fn record(&self, id: InvocationId) -> Result<Option<Record>, Error> {
        self.find(Query::new("SELECT * FROM records WHERE id = $1").bind(id.to_string()), Row::record).await
    }
    async fn prune_records(&self, before: Option<Timestamp>, keep: Option<u32>) -> Result<u64, Error> {
        self.delete_oldest(before, keep).await
    }
    async fn totals(&self) -> Result<Totals, Error> {
        self.read_totals().await
    }

    async fn documents(
        &self,
        project: ProjectId,
        operation: &Operation,
        quota: &Quota,
    ) -> Result<String, documents::Error> {
        Desk { database: &self.database, project, quota }.run(operation).await
    }
    fn rehearsal(&self, project: ProjectId) -> Rehearsal {
        Rehearsal::new(Arc::clone(&self.database), project)
    }

    fn objects(&self) -> Objects {
        Objects::new(Arc::clone(&self.database))
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
