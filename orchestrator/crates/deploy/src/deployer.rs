//! Runs deployments: one at a time per function, a few at once in all, each noted in the store as it goes.

use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_archive::Limits;
use cloudbox_bundles::Catalogue;
use cloudbox_sandbox::SandboxDriver;
use cloudbox_storage::Packages;
use cloudbox_store::{Begin, NewVersion, Store};
use cloudbox_types::{
    Deployment, DeploymentId, DeploymentStatus, Function, Stage, StageReport, StageStatus, Version,
};
use parking_lot::Mutex;
use tokio::sync::RwLock;
use tokio::time::Instant;

use crate::artefact::Bounds;
use crate::code_store::{self, CodeStore};
use crate::dependency_store::{self, DependencyStore};
use crate::error::{Error, StageError};
use crate::pipeline::{Site, Work};
use crate::progress::{BuildLog, Halt};
use crate::queue::{Place, Queue};
use crate::registries::Registries;
use crate::remote_code::Elsewhere;
use crate::settings::Settings;
use crate::{build_folder, stages};

/// What a deployment that an earlier life left is ended with.
const INTERRUPTED: &str = "the service ended while this deployment ran; deploy again";

/// Between two tries to end a deployment in a store that can't be used.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How often what is said is noted while a stage runs: so long is a line on its way to who follows.
const NOTE_EVERY: Duration = Duration::from_millis(200);
/// How long a stage may take to end when it is told to: its sandbox is removed meanwhile.
const HALT_WITHIN: Duration = Duration::from_secs(15);

/// From source to versions.
pub struct Deployer {
    store: Arc<dyn Store>,
    pub(crate) site: Site,
    pub(crate) queue: Arc<Queue>,
    /// The deployments that were begun here and have not ended.
    underway: Mutex<HashMap<DeploymentId, Underway>>,
    /// Held from before a version is active in the store until whoever calls it knows.
    switching: RwLock<()>,
}

/// A deployment that waits or runs.
struct Underway {
    halt: Halt,
    /// Its place's id in the queue.
    ticket: u64,
    /// Until it is run.
    place: Option<Place>,
}

/// Told which version is active from now on.
pub type Told<'a> = &'a (dyn Fn(&Function, &Version) + Send + Sync);

/// How a deployment ended.
#[derive(Debug)]
pub struct Outcome {
    /// As it is kept.
    pub deployment: Deployment,
    /// The function with the version that is active now; none where the deployment failed.
    pub active: Option<(Function, Version)>,
}

impl Deployer {
    /// A deployer over these folders, which are made where they are not there.
    ///
    /// # Errors
    /// A folder can't be made.
    pub fn new(
        store: Arc<dyn Store>,
        driver: Arc<dyn SandboxDriver>,
        catalogue: Arc<Catalogue>,
        mut settings: Settings,
    ) -> Result<Self, Error> {
        for folder in [&mut settings.code_dir, &mut settings.dependencies_dir, &mut settings.builds_dir] {
            let io = |what, path: &Path| {
                let path = path.to_owned();
                move |source| Error::Io { what, path, source }
            };
            std::fs::create_dir_all(&folder).map_err(io("making", folder))?;
            *folder = folder.canonicalize().map_err(io("finding", folder))?;
        }
        let queue = Queue::new(settings.parallel, settings.queue_len);
        let code = Arc::new(code_store(&settings));
        let dependencies = DependencyStore::new(settings.dependencies_dir.clone());
        let packages = Arc::new(Packages::open(
            &settings.packages_dir,
            Limits::PACKAGE,
            settings.parallel_uploads,
            settings.remote.clone(),
        )?);
        let registries = Registries::new(&settings.mirrors, &settings.hosts);
        let site = Site { driver, catalogue, code, packages, dependencies, registries, settings };
        Ok(Self { store, site, queue, underway: Mutex::default(), switching: RwLock::default() })
    }

    /// The code store, absolute: what [`crate::launch_of`] takes.
    #[must_use]
    pub fn code_dir(&self) -> &Path {
        self.site.code.folder()
    }

    /// The code store.
    #[must_use]
    pub fn code(&self) -> &Arc<CodeStore> {
        &self.site.code
    }

    /// The packages.
    #[must_use]
    pub fn packages(&self) -> &Arc<Packages> {
        &self.site.packages
    }

    /// Ends what an earlier life left: deployments, and the folders of builds. To be called before the first
    /// deployment; doing it twice changes nothing.
    ///
    /// # Errors
    /// The store failed, or a folder can't be read or removed.
    pub async fn recover(&self) -> Result<(), Error> {
        let ended = self.store.fail_unfinished_deployments(INTERRUPTED).await?;
        if ended > 0 {
            tracing::warn!(deployments = ended, "ended deployments that the service's last life left");
        }
        remove_all(&self.site.settings.builds_dir, build_folder::PREFIX)?;
        remove_all(&self.site.settings.builds_dir, cloudbox_archive::PREFIX)?;
        remove_all(&self.site.settings.dependencies_dir, dependency_store::PREFIX)?;
        remove_all(&self.site.settings.code_dir, code_store::PREFIX)
    }

    /// Begins a deployment: it has its place in the queue and its number, and is noted as running.
    ///
    /// # Errors
    /// The store's [`cloudbox_store::Error::Refused`] where one of this function runs already; [`Error::Full`] where too
    /// many wait.
    pub async fn begin(&self, function: &Function) -> Result<Deployment, Error> {
        self.begin_as(function, &Begin::default()).await
    }

    /// The same, by somebody, and perhaps without activating the version.
    ///
    /// # Errors
    /// As [`Deployer::begin`].
    pub async fn begin_as(&self, function: &Function, begin: &Begin) -> Result<Deployment, Error> {
        let place = self.queue.enter(function.project_id)?;
        let deployment = self.store.begin_deployment_as(function.id, begin).await?;
        self.put(deployment.id, place);
        Ok(deployment)
    }

    fn put(&self, id: DeploymentId, place: Place) {
        let underway = Underway { halt: Halt::default(), ticket: place.id, place: Some(place) };
        self.underway.lock().insert(id, underway);
    }

    /// How many turns away a deployment is, 1 for the next; none for one that doesn't wait.
    #[must_use]
    pub fn distance(&self, id: DeploymentId) -> Option<usize> {
        let ticket = self.underway.lock().get(&id)?.ticket;
        self.queue.distance(ticket)
    }

    /// Tells a deployment to end with this reason; false where none of this number waits or runs here.
    pub fn cancel(&self, id: DeploymentId, why: &str) -> bool {
        let underway = self.underway.lock();
        let found = underway.get(&id);
        if let Some(found) = found {
            found.halt.order(why);
        }
        found.is_some()
    }

    /// Waits until every version that the store shows as active was told of: after this, a reader of the store and a
    /// caller of the function see the same one.
    pub async fn settled(&self) {
        drop(self.switching.read().await);
    }

    /// Held while who reads the store has to wait until calls get what it shows.
    pub async fn switching(&self) -> impl Sized {
        self.switching.write().await
    }

    /// Runs a deployment that was begun to its end. `told` hears of the version before anybody who asks, and then waits
    /// for [`Deployer::settled`], sees it as deployed.
    ///
    /// A store that can't be used for a while is waited for.
    ///
    /// # Errors
    /// The store failed, or the function was deleted meanwhile; what the stages did is undone.
    pub async fn run(&self, deployment: Deployment, told: Told<'_>) -> Result<Outcome, Error> {
        let _listed = Listed { deployer: self, id: deployment.id };
        let missing = || cloudbox_store::Error::Missing { what: "function" };
        let function =
            patiently(|| self.store.function(deployment.function_id)).await?.ok_or_else(missing)?;
        let listed = self
            .underway
            .lock()
            .get_mut(&deployment.id)
            .and_then(|it| Some((it.halt.clone(), it.place.take()?)));
        let (halt, mut place) = listed.unwrap_or_else(|| {
            let place = self.queue.enter_always(function.project_id);
            (Halt::default(), place)
        });
        let _turn = tokio::select! {
            biased;
            turn = place.turn() => Some(turn),
            _ = halt.ordered() => None,
        };
        let mut work = Work::new(function, deployment.version);
        work.halt = halt;
        let mut run = Run {
            deployer: self,
            work,
            reports: Stage::ALL
                .map(|name| StageReport { name, status: StageStatus::Pending, duration_ms: None })
                .to_vec(),
            deployment,
        };
        let active = run.finish(told).await?;
        let id = run.deployment.id;
        let deployment = patiently(|| self.store.deployment(id)).await?;
        let deployment = deployment.ok_or(cloudbox_store::Error::Missing { what: "deployment" })?;
        Ok(Outcome { deployment, active })
    }
}

/// Takes a deployment off the list when it has ended, in whatever way.
struct Listed<'a> {
    deployer: &'a Deployer,
    id: DeploymentId,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.deployer.underway.lock().remove(&self.id);
    }
}

/// One deployment while it runs.
struct Run<'a> {
    deployer: &'a Deployer,
    deployment: Deployment,
    work: Work,
    reports: Vec<StageReport>,
}

impl Run<'_> {
    async fn finish(&mut self, told: Told<'_>) -> Result<Option<(Function, Version)>, Error> {
        let outcome = self.stages().await;
        let ended = match outcome {
            Ok(None) => self.succeed(told).await.map(Some),
            Ok(Some((stage, error))) => self.fail(stage, &error).await.map(|()| None),
            Err(error) => Err(error),
        };
        if !matches!(ended, Ok(Some(_))) {
            self.undo();
        }
        ended
    }

    /// Runs the stages in their order; the one that failed, if one did.
    async fn stages(&mut self) -> Result<Option<(Stage, StageError)>, Error> {
        let end = Instant::now() + self.deployer.site.settings.patience;
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            self.work.enter(stage);
            self.reports[index].status = StageStatus::Running;
            self.note(stage).await?;
            let started = Instant::now();
            let outcome = self.stage(stage, end).await?;
            let duration = started.elapsed().as_millis();
            self.reports[index].duration_ms = Some(u64::try_from(duration).unwrap_or(u64::MAX));
            if let Err(error) = outcome {
                self.reports[index].status = StageStatus::Failed;
                for later in &mut self.reports[index + 1..] {
                    later.status = StageStatus::Skipped;
                }
                return Ok(Some((stage, error)));
            }
            self.reports[index].status = StageStatus::Succeeded;
        }
        Ok(None)
    }

    /// Runs a stage, and tells of what it says meanwhile.
    async fn stage(&mut self, stage: Stage, end: Instant) -> Result<Result<(), StageError>, Error> {
        let Self { deployer, deployment, work, reports } = self;
        let (log, halt) = (work.log(), work.halt.clone());
        if let Some(why) = halt.reason() {
            return Ok(Err(StageError::Refused(why)));
        }
        let notes = Notes { deployer, deployment, reports };
        let mut run = pin!(stages::run(stage, &deployer.site, work));
        let mut failed = None;
        loop {
            tokio::select! {
                biased;
                outcome = &mut run => break failed.map_or(Ok(outcome), Err),
                why = halt.ordered() => {
                    // A sandbox that loads code is removed by being dropped; a build's folder has to wait for its own.
                    let patience = if stage == Stage::HealthCheck { Duration::ZERO } else { HALT_WITHIN };
                    let _ = tokio::time::timeout(patience, &mut run).await;
                    break failed.map_or(Ok(Err(StageError::Refused(why))), Err);
                }
                () = tokio::time::sleep_until(end) => halt.order(format!(
                    "the deployment took longer than {} s in all", deployer.site.settings.patience.as_secs()
                )),
                () = tokio::time::sleep(NOTE_EVERY) => {
                    if !log.is_empty()
                        && let Err(error) = notes.note(stage, &log).await
                    {
                        halt.order("the deployment can't be kept");
                        failed = Some(error);
                    }
                }
            }
        }
    }

    /// Tells the store how far it is. What the store doesn't take now is told with the next note.
    async fn note(&mut self, stage: Stage) -> Result<(), Error> {
        let notes = Notes { deployer: self.deployer, deployment: &self.deployment, reports: &self.reports };
        notes.note(stage, &self.work.log()).await
    }

    /// The last note, which has to be taken.
    async fn note_last(&mut self, stage: Stage) -> Result<(), Error> {
        loop {
            self.note(stage).await?;
            if self.work.log().is_empty() {
                return Ok(());
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    async fn succeed(&mut self, told: Told<'_>) -> Result<(Function, Version), Error> {
        self.note_last(Stage::HealthCheck).await?;
        let settings = &self.work.function.settings;
        let version = NewVersion {
            runtime: self.work.bundle().runtime.clone(),
            entry_point: settings.entry_point.clone(),
            handler_style: self.work.handler_style.clone().unwrap_or_default(),
            digest: self.work.digest.clone().unwrap_or_default(),
            main: self.work.main.clone(),
            package: self.work.function.settings.package.clone(),
            code: settings.code.clone(),
            dependencies: settings.dependencies.clone(),
        };
        let digest = version.digest.clone();
        loop {
            let switching = self.deployer.switching.write().await;
            match self.end_with(version.clone()).await {
                Ok(active) => {
                    told(&active.0, &active.1);
                    self.deployer.site.code.keep(&digest);
                    return Ok(active);
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(deployment.id = self.deployment.id.0, %error, "a deployment can't end yet");
                }
                Err(error) => return Err(error.into()),
            }
            drop(switching);
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    /// Ends the deployment in the store. It may have ended with an earlier try that nobody could say of.
    async fn end_with(&self, version: NewVersion) -> Result<(Function, Version), cloudbox_store::Error> {
        let store = &self.deployer.store;
        let id = self.deployment.id;
        let ended = store.finish_deployment(id, &self.reports, version).await;
        let Err(cloudbox_store::Error::Refused { .. }) = &ended else { return ended };
        let (function, number) = (self.deployment.function_id, self.deployment.version);
        let is_ours = store.deployment(id).await?.is_some_and(|row| row.status == DeploymentStatus::Deployed);
        if !is_ours {
            return ended;
        }
        match (store.function(function).await?, store.version(function, number).await?) {
            (Some(function), Some(version)) => Ok((function, version)),
            _ => ended,
        }
    }

    async fn fail(&mut self, stage: Stage, error: &StageError) -> Result<(), Error> {
        let sentence = error.sentence();
        if !matches!(error, StageError::Refused(_)) {
            tracing::warn!(
                function.id = self.deployment.function_id.0,
                deployment.id = self.deployment.id.0,
                stage = stage.as_str(),
                error = sentence,
                "a deployment failed"
            );
        }
        self.work.say(format!("failed: {sentence}"));
        self.note_last(stage).await?;
        let (store, id) = (&self.deployer.store, self.deployment.id);
        match patiently(|| store.fail_deployment(id, stage, &self.reports, &sentence)).await {
            // Refused: an earlier try was taken, though nobody could say so.
            Err(cloudbox_store::Error::Refused { .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes back what was done, the last stage first.
    fn undo(&mut self) {
        let begun = self.reports.iter().filter(|report| report.status != StageStatus::Pending);
        let begun: Vec<Stage> = begun.map(|report| report.name).collect();
        for stage in begun.into_iter().rev() {
            stages::undo(stage, &self.deployer.site, &mut self.work);
        }
    }
}

fn code_store(settings: &Settings) -> CodeStore {
    let bounds = Bounds { bytes: settings.max_artefact_bytes, entries: settings.max_artefact_files };
    let elsewhere = settings.remote.clone().map(|remote| Elsewhere {
        remote,
        bounds,
        fetching: tokio::sync::Mutex::default(),
    });
    CodeStore::with_elsewhere(settings.code_dir.clone(), elsewhere)
}

/// What is noted of a deployment besides its logs.
struct Notes<'a> {
    deployer: &'a Deployer,
    deployment: &'a Deployment,
    reports: &'a [StageReport],
}

impl Notes<'_> {
    async fn note(&self, stage: Stage, log: &BuildLog) -> Result<(), Error> {
        let text = log.take();
        let id = self.deployment.id;
        match self.deployer.store.note_deployment(id, stage, self.reports, &text).await {
            Err(error) if error.is_passing() => {
                tracing::warn!(deployment.id = id.0, %error, "a deployment goes on without its notes");
                log.put_back(&text);
                Ok(())
            }
            noted => Ok(noted?),
        }
    }
}

/// Asks until the store can be used.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, cloudbox_store::Error>
where
    F: Future<Output = Result<T, cloudbox_store::Error>>,
{
    loop {
        match ask().await {
            Err(error) if error.is_passing() => tokio::time::sleep(STORE_PAUSE).await,
            answered => return answered,
        }
    }
}

fn remove_all(folder: &Path, prefix: &str) -> Result<(), Error> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(io("reading", folder))? {
        let path = entry.map_err(io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) {
            std::fs::remove_dir_all(&path).map_err(io("removing", &path))?;
        }
    }
    Ok(())
}
