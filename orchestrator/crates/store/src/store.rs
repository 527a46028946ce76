//! The interface of both databases.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_documents::{self as documents, Operation, Quota, Rehearsal};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::version::Stage;
use cloudbox_types::{
    Activation, Deployment, DeploymentId, Function, FunctionId, Image, InvocationId, Name, Page, PageRequest,
    Project, ProjectId, Record, RecordStatus, Scale, Secret, StageReport, Switch, Version,
};
use jiff::Timestamp;

use crate::changes::{Changes, Generation};
use crate::error::Error;
use crate::objects::Objects;

/// A project to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Shown to people.
    pub name: String,
    /// Unique.
    pub slug: Name,
    /// Shown to people.
    pub description: String,
}

/// What to change of a project; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ProjectPatch {
    /// Shown to people.
    pub name: Option<String>,
    /// Unique.
    pub slug: Option<Name>,
    /// Shown to people.
    pub description: Option<String>,
}

/// A function to be made.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// Whose it is.
    pub project_id: ProjectId,
    /// What its user decided.
    pub settings: FunctionSettings,
}

/// What to change of a function: the whole settings as they are to be, computed from those of `expected_revision` and
/// `expected_scale`. So two changes at once can't lose one another's fields: the later one gets [`Error::Refused`] and
/// reads again.
#[derive(Clone, Debug)]
pub struct FunctionPatch {
    /// The revision that the change was computed from.
    pub expected_revision: i64,
    /// The scale that it was computed from, which is changed under the same revision.
    pub expected_scale: Scale,
    /// Whether sandboxes of before may go on: the revision stays as it is.
    pub keeps_sandboxes: bool,
    /// The settings after it.
    pub settings: FunctionSettings,
}

impl FunctionPatch {
    /// From a function as it was read to its settings after the change.
    #[must_use]
    pub fn new(before: &Function, settings: FunctionSettings) -> Self {
        Self {
            expected_revision: before.revision,
            expected_scale: before.settings.scale(),
            keeps_sandboxes: settings.keeps_sandboxes_of(&before.settings),
            settings,
        }
    }
}

/// How a deployment begins.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Who deploys.
    pub author: String,
    /// Whether the version becomes the active one.
    pub activates: bool,
    /// The node that runs it.
    pub node: String,
}

impl Default for Begin {
    fn default() -> Self {
        Self { author: "admin".to_owned(), activates: true, node: String::new() }
    }
}

/// A version to be registered: its row and the function's pointer to it change in one transaction.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The runtime that serves it.
    pub runtime: String,
    /// `handler`, `index.handler`, `main`.
    pub entry_point: String,
    /// The handler's form, as the health check found it.
    pub handler_style: String,
    /// SHA-256 of the artefact, in hex.
    pub digest: String,
    /// The file that the shim loads.
    pub main: String,
    /// SHA-256 of the archive that it was built from, in hex.
    pub package: Option<String>,
    /// The image that it runs in; none where its runtime is one of the catalogue's.
    pub image: Option<Image>,
    /// The source; none for a package.
    pub code: Option<String>,
    /// Packages that it was built with.
    pub dependencies: BTreeMap<String, String>,
}

/// Which records are wanted, newest first.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Accepted at or after this time.
    pub since: Option<Timestamp>,
    /// Ended so.
    pub status: Option<RecordStatus>,
}

/// Counts over everything, for `/health`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Invocations kept count of.
    pub invocations: i64,
    /// Of which succeeded.
    pub succeeded: i64,
    /// Of which failed.
    pub failed: i64,
}

/// A numbered part of a function's records, newest first.
#[derive(Clone, Copy, Debug)]
pub struct NumberedPage {
    /// Records that succeeded, or those that didn't; none for all.
    pub succeeded: Option<bool>,
    /// How many to pass over.
    pub offset: i64,
    /// At most this many.
    pub limit: u32,
}

/// How the functions are, and how long their last calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overview {
    /// Functions.
    pub functions: i64,
    /// Of which may be called.
    pub active: i64,
    /// The mean of the last thousand calls, in milliseconds; 0 where there was none.
    pub average_ms: f64,
}

/// A secret of a project, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSecret {
    /// The variable that functions have it in.
    pub name: String,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// What a change of the key came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the key that encrypts now.
    pub key_id: String,
    /// Functions and secrets of projects that were encrypted anew.
    pub rotated: u64,
    /// Those that no key decrypts, and that stay as they are.
    pub unreadable: u64,
}

/// What is kept. Every method is one transaction; times are the caller's clock in milliseconds.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether the database answers and, where the last change failed, whether it takes changes again.
    async fn ping(&self) -> Result<(), Error>;
    /// Looks for damage that an unclean end may have left: [`Error::Unusable`]. PostgreSQL does that by itself.
    async fn check(&self) -> Result<(), Error>;

    /// Makes a project. Its slug may be [`Error::Taken`].
    async fn create_project(&self, project: NewProject) -> Result<Project, Error>;
    /// A project by id; none where there is none.
    async fn project(&self, id: ProjectId) -> Result<Option<Project>, Error>;
    /// A project by slug.
    async fn project_by_slug(&self, slug: &str) -> Result<Option<Project>, Error>;
    /// Projects by id, upwards.
    async fn projects(&self, page: PageRequest) -> Result<Page<Project>, Error>;
    /// Changes a project.
    async fn update_project(&self, id: ProjectId, patch: ProjectPatch) -> Result<Project, Error>;
    /// Deletes a project with all that is in it; its records before all else, part by part, in transactions of their own.
    async fn delete_project(&self, id: ProjectId) -> Result<(), Error>;

    /// Makes a function, as a draft. Its name may be [`Error::Taken`].
    async fn create_function(&self, function: NewFunction) -> Result<Function, Error>;
    /// A function by id.
    async fn function(&self, id: FunctionId) -> Result<Option<Function>, Error>;
    /// A function by name.
    async fn function_by_name(&self, project: ProjectId, name: &str) -> Result<Option<Function>, Error>;
    /// Functions of a project by id, upwards.
    async fn functions(&self, project: ProjectId, page: PageRequest) -> Result<Page<Function>, Error>;
    /// Functions that have an active version, with it, by id, upwards: for the table in memory. Those whose values no key
    /// decrypts are left out.
    async fn deployed(&self, page: PageRequest) -> Result<Page<(Function, Version)>, Error>;
    /// The generation of every function: those that differ from what is in memory were changed by another node.
    async fn generations(&self) -> Result<Vec<Generation>, Error>;
    /// What any node changes from now on of what calls get; none for a database that is one node's.
    async fn changes(&self) -> Result<Option<Changes>, Error>;
    /// Changes a function's settings and counts its revision up, unless nothing but its scale changes.
    async fn update_function(&self, id: FunctionId, patch: FunctionPatch) -> Result<Function, Error>;
    /// Deletes a function with its versions, deployments and records; these first, part by part, in transactions of their
    /// own.
    async fn delete_function(&self, id: FunctionId) -> Result<(), Error>;

    /// Sets a secret of a project, or takes it away with `None`: all the project's functions get it, under another
    /// revision. Their ids. [`Error::Missing`] for a secret that is to go and isn't there.
    async fn set_secret(
        &self,
        project: ProjectId,
        name: &str,
        value: Option<Secret<String>>,
    ) -> Result<Vec<FunctionId>, Error>;
    /// A project's secrets, without their values, in the order in which they were made.
    async fn secrets(&self, project: ProjectId, page: PageRequest) -> Result<Page<SharedSecret>, Error>;
    /// One of them.
    async fn secret(&self, project: ProjectId, name: &str) -> Result<Option<SharedSecret>, Error>;
    /// Encrypts all that an older key encrypted with the one that encrypts now. Can be broken off and run again.
    async fn rotate_secrets(&self) -> Result<Rotation, Error>;

    /// One version of a function.
    async fn version(&self, function: FunctionId, number: i64) -> Result<Option<Version>, Error>;
    /// Versions that run on a runtime: names of functions and numbers, a few of them.
    async fn versions_on(&self, runtime: &str) -> Result<Vec<(String, i64)>, Error>;

    /// The source of a version; none for a package.
    async fn version_code(&self, function: FunctionId, number: i64) -> Result<Option<String>, Error>;
    /// Versions of a function, newest first.
    async fn versions(&self, function: FunctionId, page: PageRequest) -> Result<Page<Version>, Error>;
    /// Which versions of a function became the active one, newest first.
    async fn activations(&self, function: FunctionId, page: PageRequest) -> Result<Page<Activation>, Error>;
    /// Changes which versions calls get; the function after it, with its active version.
    /// [`Error::Refused`] says the remedy.
    async fn switch(
        &self,
        function: FunctionId,
        switch: &Switch,
        author: &str,
    ) -> Result<(Function, Option<Version>), Error>;

    /// As [`Store::begin_deployment_as`], by the administrator, of a version that becomes the active one.
    async fn begin_deployment(&self, function: FunctionId) -> Result<Deployment, Error> {
        self.begin_deployment_as(function, &Begin::default()).await
    }
    /// Begins a deployment: takes the next version number and marks the function as building.
    /// [`Error::Refused`] where one is running already.
    async fn begin_deployment_as(&self, function: FunctionId, begin: &Begin) -> Result<Deployment, Error>;
    /// Notes how far a deployment is, and appends to its build logs.
    async fn note_deployment(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        new_logs: &str,
    ) -> Result<(), Error>;
    /// Registers the version, makes it the active one where the deployment says so, and ends the deployment as
    /// succeeded. The function after it, with the new version.
    async fn finish_deployment(
        &self,
        id: DeploymentId,
        stages: &[StageReport],
        version: NewVersion,
    ) -> Result<(Function, Version), Error>;
    /// Ends the deployment as failed; an earlier version stays active.
    async fn fail_deployment(
        &self,
        id: DeploymentId,
        stage: Stage,
        stages: &[StageReport],
        error: &str,
    ) -> Result<Function, Error>;
    /// Ends as failed the deployments that a node's earlier life left running, at the node's start; all of them in a
    /// database that nodes can't share. How many there were.
    async fn fail_unfinished_deployments(&self, node: &str, error: &str) -> Result<u64, Error>;
    /// Notes that a node lives; false in a database that nodes can't share, which notes nothing.
    async fn note_alive(&self, node: &str) -> Result<bool, Error>;
    /// Ends as failed the running deployments of nodes that weren't noted for so long, and forgets these nodes; how many
    /// deployments there were.
    async fn fail_abandoned_deployments(&self, silent: Duration, error: &str) -> Result<u64, Error>;
    /// A deployment by id.
    async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>, Error>;
    /// Deployments of a function, newest first.
    async fn deployments(&self, function: FunctionId, page: PageRequest) -> Result<Page<Deployment>, Error>;

    /// Keeps records, and counts them into their functions; those that are kept already change nothing, so a batch
    /// can be written twice. Records of functions that were deleted meanwhile are dropped.
    async fn append_records(&self, records: &[Record]) -> Result<(), Error>;
    /// Records of a function, newest first by the time at which they were accepted.
    async fn records(
        &self,
        function: FunctionId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error>;
    /// Records of a function that were kept after the record with this number, in that order, 1000 at most; `next` is
    /// where to go on from, whether there were any or not. Without a number: none, and where to begin.
    async fn records_after(
        &self,
        function: FunctionId,
        status: Option<RecordStatus>,
        after: Option<i64>,
    ) -> Result<Page<Record>, Error>;
    /// Records of a project's calls whose code is stored nowhere, newest first.
    async fn inline_records(
        &self,
        project: ProjectId,
        filter: &RecordFilter,
        page: PageRequest,
    ) -> Result<Page<Record>, Error>;
    /// Records of a function by number of the page, newest first, and how many there are of these in all.
    async fn numbered_records(
        &self,
        function: FunctionId,
        page: NumberedPage,
    ) -> Result<(Vec<Record>, i64), Error>;
    /// The newest records of all functions, each with its function's name.
    async fn newest_records(&self, limit: u32) -> Result<Vec<(Record, Name)>, Error>;
    /// Counts over all functions.
    async fn overview(&self) -> Result<Overview, Error>;
    /// One record.
    async fn record(&self, id: InvocationId) -> Result<Option<Record>, Error>;
    /// Deletes some of the oldest records, a thousand at most (SQLite: 250): those accepted before a time, and those of a function
    /// beyond its newest `keep`. How many; 0 when none is left to delete.
    async fn prune_records(&self, before: Option<Timestamp>, keep: Option<u32>) -> Result<u64, Error>;
    /// Counts over all records that were ever kept.
    async fn totals(&self) -> Result<Totals, Error>;

    /// Carries out an operation on a project's documents; its answer is JSON. Others' documents are out of reach.
    async fn documents(
        &self,
        project: ProjectId,
        operation: &Operation,
        quota: &Quota,
    ) -> Result<String, documents::Error>;
    /// A copy of a project's documents for one dry run.
    fn rehearsal(&self, project: ProjectId) -> Rehearsal;
    /// Which kept objects rows refer to, and who is about to write such a row.
    fn objects(&self) -> Objects;

    /// Writes out what is pending and closes the connections.
    async fn close(&self);
}
