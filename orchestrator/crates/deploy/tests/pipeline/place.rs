//! A store, a catalogue of invented languages, and a deployer over a fake driver, in one folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use base64::Engine;
use cloudbox_bundles::{Catalogue, SearchPlaces, Toolchains};
use cloudbox_deploy::{Deployer, Outcome, Settings};
use cloudbox_mirrors::Mirrors;
use cloudbox_store::{EnvironmentKey, FunctionPatch, NewFunction, Store};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{Function, FunctionId, Language, Name, ProjectId};
use tempfile::TempDir;

use crate::fake::FakeDriver;

const SCRIPT: &str = r#"
language = "script"
serves = ["javascript", "typescript"]
prefix = "script"
default = "1.2"
memory_floor_mb = 64
starts_before_code = true
is_executable = false
has_build_root = false
needs_zone_info = false
versions = [{ version = "1.2" }, { version = "1.3" }]
source.default_name = "index"
source.extensions = { javascript = "js", typescript = "ts" }
source.refused = { typescript = "no compiler yet" }
toolchain.programs = ["tool"]
toolchain.version_args = ["--exact", "print_the_version", "--nocapture"]
content = []
file = [{ from = "runtime.toml", to = "/cloudbox/runtime.toml" }]
start.argv = ["/runtime"]
check.argv = ["/check", "{main}"]
install.manifest = "wanted"
install.format = "requirements"
install.result = "packages"
install.exclude = ["unwanted"]
install.name = { pattern = "[a-z-]+", says = "letters" }
install.version = { pattern = "[0-9.]*", says = "numbers" }
install.argv = ["/install", "wanted"]
"#;

const COMPILED: &str = r#"
language = "compiled"
serves = ["go"]
prefix = "compiled"
default = "1.3"
memory_floor_mb = 64
starts_before_code = false
is_executable = true
has_build_root = true
needs_zone_info = false
versions = [{ version = "1.3" }]
source.default_name = "index"
source.extensions = { go = "go" }
toolchain.programs = ["tool"]
toolchain.version_args = ["--exact", "print_the_version", "--nocapture"]
content = []
file = [{ from = "runtime.toml", to = "/cloudbox/runtime.toml" }]
start.argv = ["/workspace/function"]
build.argv = ["/compile", "{main}"]
"#;

pub struct Place {
    folder: TempDir,
    pub store: Arc<dyn Store>,
    pub driver: Arc<FakeDriver>,
    pub deployer: Deployer,
    /// For names.
    pub count: AtomicUsize,
}

impl Place {
    pub async fn new() -> Self {
        Self::with_network(true).await
    }

    pub async fn with_network(has_network: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (language, text) in [("script", SCRIPT), ("compiled", COMPILED)] {
            fs::create_dir_all(path("runtimes").join(language)).unwrap();
            fs::write(path("runtimes").join(language).join("runtime.toml"), text).unwrap();
        }
        fs::create_dir(path("bin")).unwrap();
        fs::copy(std::env::current_exe().unwrap(), path("bin/tool")).unwrap();
        fs::write(path("init"), "").unwrap();
        let catalogue = Catalogue::open(cloudbox_bundles::Settings {
            runtimes_dir: Some(path("runtimes")),
            bundles_dir: path("bundles"),
            init: path("init"),
            places: SearchPlaces { path: vec![path("bin")], roots: BTreeMap::new() },
            toolchains: Toolchains::default(),
            is_strict: false,
            has_images: false,
            today: jiff::civil::date(2026, 11, 21),
        });
        let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        let url = format!("sqlite://{}", path("cloudbox.db").display());
        let store = cloudbox_store::open(&url, EnvironmentKey::from_base64(&key).unwrap()).await.unwrap();
        let driver = Arc::new(FakeDriver::default());
        fs::write(path("login"), "//mirror/:_authToken=token-1\n").unwrap();
        let mirrors = Mirrors {
            env: BTreeMap::from([("MIRROR".to_owned(), "http://me:pass-2@mirror/".to_owned())]),
            files: vec![(path("login"), "/etc/login".into()), (path("gone"), "/etc/gone".into())],
            ..Mirrors::default()
        };
        let settings = Settings { mirrors, has_network, ..Settings::new(folder.path()) };
        let deployer =
            Deployer::new(Arc::clone(&store), driver.clone(), Arc::new(catalogue.unwrap()), settings);
        Self { folder, store, driver, deployer: deployer.unwrap(), count: AtomicUsize::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn function(&self, settings: FunctionSettings) -> Function {
        self.store.create_function(NewFunction { project_id: ProjectId(1), settings }).await.unwrap()
    }

    pub async fn change(&self, id: FunctionId, code: &str) {
        let function = self.store.function(id).await.unwrap().unwrap();
        let mut settings = function.settings.clone();
        settings.code = Some(code.to_owned());
        let patch = FunctionPatch::new(&function, settings);
        self.store.update_function(id, patch).await.unwrap();
    }

    pub async fn deploy(&self, id: FunctionId) -> Outcome {
        let function = self.store.function(id).await.unwrap().unwrap();
        let deployment = self.deployer.begin(&function).await.unwrap();
        self.deployer.run(deployment, &|_, _| {}).await.unwrap()
    }

    /// A file of an artefact.
    pub fn code(&self, digest: &str, name: &str) -> Option<String> {
        fs::read_to_string(self.path("code").join(digest).join(name)).ok()
    }

    /// How many artefacts there are.
    pub fn artefacts(&self) -> usize {
        fs::read_dir(self.path("code")).unwrap().count()
    }

    /// No build folder, nothing half taken over, no sandbox.
    pub fn assert_clean(&self) {
        assert_eq!(fs::read_dir(self.path("builds")).unwrap().count(), 0);
        let names = fs::read_dir(self.path("code")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
        assert_eq!(self.driver.alive(), 0);
    }
}

pub fn settings(name: &str, code: &str) -> FunctionSettings {
    FunctionSettings {
        code: Some(code.to_owned()),
        entry_point: "handler".to_owned(),
        max_instances: 1,
        ..FunctionSettings::new(Name::new(name).unwrap(), "script1.2".to_owned(), Language::Javascript)
    }
}
