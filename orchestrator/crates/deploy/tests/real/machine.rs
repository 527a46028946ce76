//! This machine: its toolchains, a driver, and a deployer in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use cloudbox_bundles::{Catalogue, SearchPlaces, Toolchains};
use cloudbox_deploy::{Deployer, Outcome, Settings, launch_of};
use cloudbox_drivers::{docker, native};
use cloudbox_mirrors::{Mirrors, Variables};
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::{Answer, Invoke, Request};
use cloudbox_sandbox::{Error, Instance, SandboxDriver, SandboxId};
use cloudbox_store::{EnvironmentKey, NewFunction, Store};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{DeploymentStatus, Language, Limits, Name, ProjectId, Stage};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::init::init;

#[derive(Clone, Copy, Debug)]
pub enum DriverKind {
    Native,
    Docker,
}

enum Driver {
    Native(Arc<native::Driver>),
    Docker(Arc<docker::Driver>),
}

impl Driver {
    async fn open(kind: DriverKind, instance: Instance) -> Result<Self, Error> {
        Ok(match kind {
            DriverKind::Native => {
                let settings = native::Settings {
                    instance,
                    init: init().to_owned(),
                    ceiling: None,
                    is_weak_allowed: false,
                };
                Self::Native(native::Driver::open(settings).await?)
            }
            DriverKind::Docker => {
                Self::Docker(docker::Driver::open(docker::Settings::new(instance, init().to_owned())).await?)
            }
        })
    }

    fn shared(&self) -> Arc<dyn SandboxDriver> {
        match self {
            Self::Native(driver) => driver.clone(),
            Self::Docker(driver) => driver.clone(),
        }
    }
}

pub struct Machine {
    folder: TempDir,
    driver: Driver,
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
    deployer: Deployer,
    count: AtomicU32,
}

#[expect(clippy::print_stderr, reason = "what can't run here says so")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// Every toolchain that the tests' own environment leads to.
#[expect(clippy::disallowed_methods, reason = "no settings file tells a test where the toolchains are")]
fn places() -> SearchPlaces {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let pyenv = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let roots = pyenv.into_iter().map(|root| ("pyenv_root".to_owned(), root)).collect();
    SearchPlaces { path: std::env::split_paths(&path).collect(), roots }
}

/// The registries are those of whoever runs the tests.
#[expect(clippy::disallowed_methods, reason = "no settings file tells a test where the registries are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Machine {
    /// None where the driver can't work here.
    pub async fn open(kind: DriverKind) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let id = format!("test-{}", SandboxId::generate());
        let instance = Instance { id, boot: "1".to_owned(), run_dir: path("run") };
        let driver = match Driver::open(kind, instance).await {
            Ok(driver) => driver,
            Err(Error::Unavailable { driver, reason }) => {
                skip(&format!("the {driver} driver can't work here: {reason}"));
                return None;
            }
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        };
        let catalogue = Catalogue::open(cloudbox_bundles::Settings {
            runtimes_dir: None,
            // Kept between runs, since a Go toolchain's takes a minute on a busy machine.
            bundles_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundles"),
            init: init().to_owned(),
            places: places(),
            toolchains: Toolchains::default(),
            is_strict: false,
            has_images: false,
            today: jiff::civil::date(2026, 11, 21),
        });
        let catalogue = Arc::new(catalogue.unwrap());
        let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        let url = format!("sqlite://{}", path("cloudbox.db").display());
        let store = cloudbox_store::open(&url, EnvironmentKey::from_base64(&key).unwrap()).await.unwrap();
        let mirrors = Mirrors::of_machine(Variables::new(variable));
        let settings = Settings { mirrors, ..Settings::new(folder.path()) };
        let deployer =
            Deployer::new(Arc::clone(&store), driver.shared(), Arc::clone(&catalogue), settings).unwrap();
        Some(Self { folder, driver, catalogue, store, deployer, count: AtomicU32::new(0) })
    }

    pub async fn close(self) {
        assert_eq!(std::fs::read_dir(self.folder.path().join("builds")).unwrap().count(), 0);
        match &self.driver {
            Driver::Native(driver) => driver.close().await.unwrap(),
            Driver::Docker(driver) => driver.close().await.unwrap(),
        }
        self.store.close().await;
    }

    /// None where the language is not here.
    pub async fn try_deploy(
        &self,
        language: Language,
        entry_point: &str,
        code: &str,
        dependencies: &[(&str, &str)],
    ) -> Option<Outcome> {
        let Ok(resolved) = self.catalogue.resolve(language, None) else {
            skip(&format!("no {language} on this machine"));
            return None;
        };
        let name = format!("f{}-x", self.count.fetch_add(1, Ordering::Relaxed));
        let mut settings = settings(&name, language, entry_point, code);
        settings.runtime = resolved.runtime;
        let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
        settings.dependencies = dependencies.iter().map(owned).collect();
        if settings.dependencies.contains_key("numpy") {
            settings.limits.memory_mb = 256;
        }
        let new = NewFunction { project_id: ProjectId(1), settings };
        let function = self.store.create_function(new).await.unwrap();
        let deployment = self.deployer.begin(&function).await.unwrap();
        Some(self.deployer.run(deployment, &|_, _| {}).await.unwrap())
    }

    pub async fn deploy(&self, language: Language, entry_point: &str, code: &str) -> Option<Outcome> {
        let outcome = self.try_deploy(language, entry_point, code, &[]).await?;
        let deployment = &outcome.deployment;
        assert_eq!(deployment.status, DeploymentStatus::Deployed, "{}", deployment.build_logs);
        Some(outcome)
    }

    /// The deployment fails at `stage`, and its logs say `words`.
    pub async fn assert_fails(&self, language: Language, code: &str, stage: Stage, words: &str) {
        let Some(outcome) = self.try_deploy(language, "handler", code, &[]).await else { return };
        let deployment = outcome.deployment;
        assert_eq!(deployment.status, DeploymentStatus::Failed, "{code}");
        assert_eq!(deployment.stage, stage, "{}", deployment.build_logs);
        assert!(deployment.build_logs.contains(words), "{words}\n{}", deployment.build_logs);
        assert!(!deployment.build_logs.contains("root:x:0"), "{}", deployment.build_logs);
    }

    /// Brings the version up as a call does, and calls it.
    pub async fn call(&self, outcome: &Outcome, data: Value) -> Value {
        let (function, version) = outcome.active.as_ref().unwrap();
        let bundle = self.catalogue.bundle(&version.runtime).await.unwrap();
        let launch =
            launch_of(function, version, &bundle, self.deployer.code_dir(), ChannelLimits::default());
        let deadline = Instant::now() + Duration::from_secs(300);
        let driver = self.driver.shared();
        let (mut sandbox, _, _) = launch.cold(driver.as_ref(), deadline).await.unwrap();
        let body = serde_json::to_vec(&data).unwrap().into();
        let reply = sandbox.exchange(Request::without_host(invoke(), body), deadline).await;
        sandbox.kill().await;
        let reply = reply.unwrap();
        match reply.answer {
            Answer::Result(_, body) => serde_json::from_slice(&body).unwrap(),
            Answer::Streamed(_) => unreachable!("nobody offered to take a stream"),
            Answer::Failure(failure) => panic!("{failure:?}: {}", reply.logs.into_text()),
        }
    }

    /// The files of an artefact.
    pub fn files(&self, digest: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.deployer.code_dir().join(digest)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn invoke() -> Invoke {
    Invoke {
        invocation_id: "00000000-0000-7000-8000-000000000000".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        timestamp: "2026-11-21T00:00:00Z".to_owned(),
        timeout_ms: 30_000,
        deadline_ms: 4_102_444_800_000,
        ..crate::invoke::invoke()
    }
}

fn settings(name: &str, language: Language, entry_point: &str, code: &str) -> FunctionSettings {
    FunctionSettings {
        code: Some(code.to_owned()),
        entry_point: entry_point.to_owned(),
        // The smallest that may be asked for.
        limits: Limits { memory_mb: 64, ..Limits::default() },
        max_instances: 1,
        ..FunctionSettings::new(Name::new(name).unwrap(), String::new(), language)
    }
}
