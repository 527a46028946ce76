//! Runs deployments: one at a time per function, a few at once in all, each noted in the store as it goes.

mod run;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_archive::Limits;
use cloudbox_artefacts::{Bounds, CodeStore, DependencyStore, Elsewhere, remove_all};
use cloudbox_bundles::Catalogue;
use cloudbox_images::{AbsentImages, Images};
use cloudbox_mirrors::Registries;
use cloudbox_sandbox::SandboxDriver;
use cloudbox_storage::{Holds, Ledger, Packages};
use cloudbox_store::{Begin, Store};
use cloudbox_types::{Deployment, DeploymentId, Function, Version};
use parking_lot::Mutex;
use tokio::sync::RwLock;

use crate::build_folder;
use crate::error::Error;
use crate::ledger::SharedHolds;
use crate::patience::patiently;
use crate::pipeline::{Site, Work};
use crate::progress::Halt;
use crate::queue::{Place, Queue};
use crate::settings::Settings;
use crate::suspects::Suspects;
use run::Run;
pub use run::Told;

/// What a deployment that an earlier life left is ended with.
const INTERRUPTED: &str = "the service ended while this deployment ran; deploy again";

/// What a deployment is ended with whose node is gone.
const ABANDONED: &str = "the node that ran this deployment is gone; deploy again";

/// From source to versions.
pub struct Deployer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) site: Site,
    pub(crate) queue: Arc<Queue>,
    /// The deployments that were begun here and have not ended.
    underway: Mutex<HashMap<DeploymentId, Underway>>,
    /// Held from before a version is active in the store until whoever calls it knows.
    switching: RwLock<()>,
    /// The holds of all nodes that share an object store; none where this one is alone.
    pub(crate) shared: Option<Arc<SharedHolds>>,
    /// What nothing referred to at the last look.
    pub(crate) suspects: tokio::sync::Mutex<Suspects>,
}

/// A deployment that waits or runs.
struct Underway {
    halt: Halt,
    /// Its place's id in the queue.
    ticket: u64,
    /// Until it is run.
    place: Option<Place>,
}

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
            std::fs::create_dir_all(&folder).map_err(Error::io("making", folder.as_path()))?;
            *folder = folder.canonicalize().map_err(Error::io("finding", folder.as_path()))?;
        }
        let queue = Queue::new(settings.parallel, settings.queue_len);
        let shared = settings
            .remote
            .as_ref()
            .map(|remote| Arc::new(SharedHolds::new(&store, settings.patience, remote.patience())));
        let holds = Holds::new(shared.clone().map(|shared| shared as Arc<dyn Ledger>));
        let code = Arc::new(code_store(&settings, Arc::clone(&holds)));
        let dependencies = DependencyStore::new(settings.dependencies_dir.clone(), Arc::clone(&holds));
        let packages = Arc::new(Packages::open(
            &settings.packages_dir,
            Limits::PACKAGE,
            settings.parallel_uploads,
            (settings.remote.clone(), Arc::clone(&holds)),
        )?);
        let registries = Registries::new(&settings.mirrors, &settings.hosts);
        let images = Arc::new(Images::new(Arc::clone(&driver), settings.images.clone()));
        let site =
            Site { driver, catalogue, code, packages, dependencies, holds, registries, images, settings };
        let (underway, switching, suspects) =
            (Mutex::default(), RwLock::default(), tokio::sync::Mutex::default());
        Ok(Self { store, site, queue, underway, switching, shared, suspects })
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

    /// Makes images that this node hasn't got, for versions that other nodes deployed.
    #[must_use]
    pub fn absent_images(&self) -> Arc<AbsentImages> {
        let Site { images, packages, settings, .. } = &self.site;
        AbsentImages::new(
            Arc::clone(images),
            Arc::clone(packages),
            settings.builds_dir.clone(),
            settings.limits,
        )
    }

    /// The images that functions bring.
    #[must_use]
    pub fn images(&self) -> &Arc<Images> {
        &self.site.images
    }

    /// Ends what an earlier life of this node left: deployments, and the folders of builds. To be called before the first
    /// deployment; doing it twice changes nothing.
    ///
    /// # Errors
    /// The store failed, or a folder can't be read or removed.
    pub async fn recover(&self) -> Result<(), Error> {
        // Whoever hears nothing of a node takes it for dead.
        self.store.note_alive(&self.site.settings.node).await?;
        let node = &self.site.settings.node;
        let ended = self.store.fail_unfinished_deployments(node, INTERRUPTED).await?;
        if ended > 0 {
            tracing::warn!(deployments = ended, "ended deployments that the service's last life left");
        }
        for prefix in [build_folder::PREFIX, cloudbox_archive::PREFIX] {
            remove_all(&self.site.settings.builds_dir, prefix)?;
        }
        self.site.dependencies.remove_unfinished()?;
        Ok(self.site.code.remove_unfinished()?)
    }

    /// Notes that this node lives; false where no other node could ask.
    ///
    /// # Errors
    /// The store failed.
    pub async fn note_alive(&self) -> Result<bool, Error> {
        Ok(self.store.note_alive(&self.site.settings.node).await?)
    }

    /// Ends the deployments of nodes that weren't noted for so long.
    ///
    /// # Errors
    /// The store failed.
    pub async fn end_abandoned(&self, silent: Duration) -> Result<(), Error> {
        let ended = self.store.fail_abandoned_deployments(silent, ABANDONED).await?;
        if ended > 0 {
            tracing::warn!(deployments = ended, "ended deployments of nodes that are gone");
        }
        Ok(())
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
        let begin = Begin { node: self.site.settings.node.clone(), ..begin.clone() };
        let deployment = self.store.begin_deployment_as(function.id, &begin).await?;
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
        // Until the version's row refers to it, whatever becomes the function's source meanwhile.
        let _package = match &function.settings.package {
            Some(package) => self.site.packages.hold(package).await.ok(),
            None => None,
        };
        let mut work = Work::new(function, deployment.version);
        work.halt = halt;
        let mut run = Run::new(&self.store, &self.site, &self.switching, deployment, work);
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

fn code_store(settings: &Settings, holds: Arc<Holds>) -> CodeStore {
    let bounds = Bounds { bytes: settings.max_artefact_bytes, entries: settings.max_artefact_files };
    let elsewhere = settings.remote.clone().map(|remote| Elsewhere::new(remote, bounds));
    CodeStore::new(settings.code_dir.clone(), elsewhere, holds)
}
