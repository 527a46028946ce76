//! What the stages hand to one another, and what they say meanwhile.

use std::sync::Arc;

use cloudbox_artefacts::{Artefact, CodeStore, DependencyStore, InstalledSet};
use cloudbox_bundles::{Bundle, Catalogue};
use cloudbox_images::Images;
use cloudbox_images::dockerfile::Dockerfile;
use cloudbox_mirrors::Registries;
use cloudbox_sandbox::SandboxDriver;
use cloudbox_storage::{Hold, Holds, Packages};
use cloudbox_types::{Function, Image, Stage};
use tempfile::TempDir;

use crate::build_folder::BuildFolder;
use crate::progress::{BuildLog, Halt, Listener};
use crate::settings::Settings;

/// What every deployment works with.
pub struct Site {
    /// Makes build sandboxes and health checks.
    pub driver: Arc<dyn SandboxDriver>,
    /// The runtimes.
    pub catalogue: Arc<Catalogue>,
    /// Where artefacts go.
    pub code: Arc<CodeStore>,
    /// Sources that came as archives.
    pub packages: Arc<Packages>,
    /// Dependencies that were installed before.
    pub dependencies: DependencyStore,
    /// Who needs what of these.
    pub holds: Arc<Holds>,
    /// The way to the package mirrors.
    pub registries: Registries,
    /// Images that functions bring.
    pub images: Arc<Images>,
    /// Limits and folders.
    pub settings: Settings,
}

/// One deployment on its way. Each stage fills in what the later ones need.
pub struct Work {
    /// The function, as it was when the deployment began.
    pub function: Function,
    /// Whether the version will be kept, and is sent where other nodes find it.
    pub is_kept: bool,
    /// The number that its version will have.
    pub number: i64,
    /// By validate: the runtime that serves.
    pub bundle: Option<Arc<Bundle>>,
    /// By validate or build: the image that it runs in, where it has one of its own.
    pub image: Option<Image>,
    /// By validate: what its image is built by, where it is built.
    pub dockerfile: Option<Dockerfile>,
    /// By validate: where the build happens. Removed when dropped.
    pub folder: Option<BuildFolder>,
    /// By install: what the function depends on; none where that is nothing.
    pub dependencies: Option<InstalledSet>,
    /// By validate, and again by build: the file to load.
    pub main: String,
    /// By build: what is to be registered, and the folder it is in.
    pub artefact: Option<(Artefact, TempDir)>,
    /// By register: the artefact's digest.
    pub digest: Option<String>,
    /// By register: keeps the artefact until a row refers to it.
    pub hold: Option<Hold>,
    /// By validate or build: keeps what the driver makes of its image until a row refers to that.
    pub image_hold: Option<Hold>,
    /// By the health check: the handler's form.
    pub handler_style: Option<String>,
    /// How the deployment is told to end.
    pub halt: Halt,
    log: BuildLog,
    stage: Stage,
}

impl Work {
    /// The beginning of a deployment.
    #[must_use]
    pub fn new(function: Function, number: i64) -> Self {
        Self {
            function,
            is_kept: true,
            number,
            bundle: None,
            image: None,
            dockerfile: None,
            folder: None,
            dependencies: None,
            main: String::new(),
            artefact: None,
            digest: None,
            hold: None,
            image_hold: None,
            handler_style: None,
            halt: Halt::default(),
            log: BuildLog::default(),
            stage: Stage::Validate,
        }
    }

    /// From now on log lines are of this stage.
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Adds to the build logs: each line with the stage before it.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.log.say(self.stage, text.as_ref());
    }

    /// The build logs themselves, for who tells of them while a stage runs.
    #[must_use]
    pub fn log(&self) -> BuildLog {
        self.log.clone()
    }

    /// Hears what a step of the present stage prints; `secrets` are not shown.
    #[must_use]
    pub fn listener(&self, secrets: Vec<String>) -> Listener {
        Listener::new(self.log.clone(), self.stage, self.halt.clone(), secrets)
    }

    /// What was said since the last time.
    pub fn take_log(&mut self) -> String {
        self.log.take()
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(self.bundle.as_ref().expect("validate comes first, and sets the bundle"))
    }

    /// The build folder.
    #[must_use]
    pub fn folder(&self) -> &BuildFolder {
        self.folder.as_ref().expect("validate comes first, and makes the folder")
    }
}
