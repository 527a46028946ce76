//! What the HTTP side knows of the service: rows, the functions in memory, and one interface to what runs and builds.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use cloudbox_api_types::{
    CollectGarbage, Garbage, Runtime, SandboxHealth, VersionInstances, execution::start_word,
};
use cloudbox_dispatch::recorder::Condition;
use cloudbox_dispatch::table::Table;
use cloudbox_dispatch::{Call, Inline, Outcome, Shares};
use cloudbox_storage::Packages;
use cloudbox_store::{Begin, Store};
use cloudbox_types::limits::Ranges;
use cloudbox_types::{
    Deployment, DeploymentId, Function, FunctionId, InvocationId, ProjectId, Secret, Switch, Version,
};
use futures::future::BoxFuture;
use metrics::Histogram;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::ApiError;
use crate::settings::KnownRuntimes;

/// How long calls take, by their start: looked up by its label once.
static WARM_COLD: LazyLock<[Histogram; 2]> = LazyLock::new(|| {
    [true, false].map(
        |is_warm| metrics::histogram!("cloudbox_invocation_duration_seconds", "start" => start_word(is_warm)),
    )
});

/// What runs and builds functions. The service is one; tests have another.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Runs one call to its end.
    async fn invoke(&self, call: Call) -> Outcome;
    /// Begins a deployment of a function: it has its place in the queue, and its number.
    async fn begin_deployment(&self, function: &Function, begin: &Begin) -> Result<Deployment, ApiError>;
    /// How many turns away a deployment is from being built, 1 for the next; none for one that doesn't wait.
    fn queue_place(&self, _deployment: DeploymentId) -> Option<u32> {
        None
    }
    /// Tells a deployment to end, with this reason; false where it doesn't wait or run here.
    fn cancel_deployment(&self, _deployment: DeploymentId, _why: &str) -> bool {
        false
    }
    /// Runs a deployment that was begun, in the background; the future gives how it ended.
    fn deploy(&self, deployment: Deployment) -> BoxFuture<'static, Result<Deployment, ApiError>>;
    /// Waits until calls get every version that the store shows as active: to be called after a row was read, before it
    /// is shown.
    async fn settled(&self);
    /// Changes which versions calls get, to its end even where the caller goes away: once this answers, no call gets
    /// what was before. The function after it.
    async fn switch(&self, function: FunctionId, switch: Switch, author: &str) -> Result<Function, ApiError>;
    /// The files of what was built for a version, with their SHA-256; those of its dependencies are left out.
    async fn files(&self, version: &Version) -> Result<BTreeMap<String, String>, ApiError>;
    /// A function has other settings.
    fn function_changed(&self, function: Function, version: Option<Version>);
    /// A function was deleted.
    fn function_deleted(&self, project: ProjectId, function: FunctionId);
    /// A project was deleted, with all its functions.
    fn project_deleted(&self, project: ProjectId);
    /// The sandboxes of a function at this moment, in no order; versions may repeat.
    fn instances(&self, _function: FunctionId) -> Vec<VersionInstances> {
        Vec::new()
    }
    /// Every runtime that may be asked for.
    fn runtimes(&self) -> Vec<Runtime>;
    /// Begins the installation of a runtime, from its registry or from an image; false where it is here already.
    ///
    /// # Errors
    /// There is none of this name, or it can't be fetched.
    fn install_runtime(&self, name: &str, image: Option<&str>) -> Result<bool, ApiError>;
    /// Removes a runtime that was installed.
    ///
    /// # Errors
    /// There is none of this name, or it is needed.
    async fn remove_runtime(&self, name: &str) -> Result<(), ApiError>;
    /// Removes what nothing refers to any more, or says what would go.
    ///
    /// # Errors
    /// The database or a folder can't be used.
    async fn collect_garbage(&self, order: CollectGarbage) -> Result<Garbage, ApiError> {
        Ok(Garbage { dry_run: order.dry_run, ..Garbage::default() })
    }
    /// What isolates functions.
    fn sandbox(&self) -> SandboxHealth;
    /// What keeps sandboxes from being made just now, as a sentence.
    fn sandbox_trouble(&self) -> Option<String> {
        None
    }
    /// Brings the series that are only counted when somebody looks up to date.
    fn refresh_metrics(&self);
    /// Moves what was recorded until now into the store, as far as the store takes it.
    async fn flush(&self);
    /// How recording goes.
    fn recording(&self) -> Condition {
        Condition::default()
    }
}

/// The state of every handler.
pub struct Api {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// The functions in memory.
    pub table: Arc<Table>,
    /// What runs and builds functions.
    pub backend: Arc<dyn Backend>,
    /// Sources that come as archives.
    pub packages: Arc<Packages>,
    /// An administrator's token.
    pub admin_token: Secret<String>,
    /// What users type before `/p/…`; may be empty.
    pub public_url: String,
    /// What functions may ask for.
    pub ranges: Ranges,
    /// Bytes of a request's body.
    pub max_request_bytes: usize,
    /// Bytes of a request's body that goes to its function while it arrives.
    pub max_stream_bytes: u64,
    /// How many calls each project may have under way.
    pub shares: Shares,
    /// When the service was ready.
    pub started_at: Instant,
    /// Cancelled when the service begins to shut down.
    pub closing: CancellationToken,
    /// Code that comes with a call; none where nothing can be built.
    pub inline: Option<Arc<Inline>>,
    /// Reads sources.
    pub reader: cloudbox_check::Reader,
    /// What `/metrics` prints.
    pub metrics: PrometheusHandle,
}

impl Api {
    /// Runs one call and counts it.
    pub async fn invoke(&self, mut call: Call) -> Outcome {
        match self.shares.enter(call.entry.function.project_id) {
            Ok(share) => call.share = Some(Arc::new(share)),
            Err(failure) => return Outcome::refused(InvocationId::generate(), call.version(), failure),
        }
        let entry = Arc::clone(&call.entry);
        let outcome = self.backend.invoke(call).await;
        entry.count(outcome.result.as_ref().map_or_else(|failure| failure.code.as_str(), |_| "ok"));
        WARM_COLD[usize::from(!outcome.is_warm)].record(outcome.execution_time_ms / 1000.0);
        if !outcome.is_warm {
            let function = &entry.function;
            metrics::counter!("cloudbox_cold_starts_total", "project" => function.project_id.to_string(),
                "function" => function.settings.name.to_string())
            .increment(1);
        }
        outcome
    }

    /// The runtimes that a function may name.
    #[must_use]
    pub fn known_runtimes(&self) -> KnownRuntimes {
        KnownRuntimes::new(&self.backend.runtimes())
    }
}
