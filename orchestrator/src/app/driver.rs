//! Which driver isolates functions: the one that is asked for, or, with `auto`, Docker where it answers.

use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_drivers::{docker, native};
use cloudbox_sandbox::{Ceiling, Error, Instance, SandboxDriver};

use crate::config::SandboxChoice;

/// The driver, and what only its owner does with it.
pub struct Driver {
    shared: Arc<dyn SandboxDriver>,
    kind: Kind,
}

enum Kind {
    Docker(Arc<docker::Driver>),
    Native(Arc<native::Driver>),
}

/// What both drivers need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose sandboxes they are.
    pub instance: Instance,
    /// The daemon's socket; none for the usual place.
    pub docker_host: Option<String>,
    /// The file with the name of the driver of the last start.
    pub last_used: PathBuf,
    /// The static init.
    pub init: PathBuf,
    /// What all sandboxes together may use.
    pub ceiling: Ceiling,
    /// Whether to start without mandatory layers of the isolation.
    pub is_weak_allowed: bool,
}

impl Settings {
    /// The driver of the last start; empty where there was none.
    fn last_used(&self) -> String {
        std::fs::read_to_string(&self.last_used).unwrap_or_default().trim().to_owned()
    }

    fn note_used(&self, name: &str) -> Result<(), Error> {
        std::fs::write(&self.last_used, name).map_err(Error::io("writing", &self.last_used))
    }
}

impl Driver {
    /// Opens the driver. `auto` takes native sandboxes only where no daemon is there and functions never ran in
    /// containers: isolation doesn't change by itself, and a daemon that hangs or doesn't isolate as it must is an error.
    ///
    /// # Errors
    /// The driver that was asked for, or with `auto` the last one, can't work here.
    pub async fn open(choice: SandboxChoice, settings: &Settings) -> Result<Self, Error> {
        let driver = match choice {
            SandboxChoice::Docker => Self::docker(settings).await,
            SandboxChoice::Native => Self::native(settings).await,
            SandboxChoice::Auto => match Self::docker(settings).await {
                Err(Error::Unavailable { driver, reason }) if settings.last_used() == "docker" => {
                    let why =
                        "Functions ran in containers so far, and that changes only when it is asked for";
                    Err(Error::Unavailable { driver, reason: format!("{reason}. {why}") })
                }
                Err(error @ Error::Unavailable { .. }) => {
                    tracing::info!(reason = %error, "no Docker here: functions run in native sandboxes");
                    Self::native(settings).await
                }
                other => other,
            },
        }?;
        settings.note_used(driver.name())?;
        Ok(driver)
    }

    async fn docker(settings: &Settings) -> Result<Self, Error> {
        let settings = docker::Settings {
            socket: settings.docker_host.clone(),
            ceiling: Some(settings.ceiling),
            is_weak_allowed: settings.is_weak_allowed,
            ..docker::Settings::new(settings.instance.clone(), settings.init.clone())
        };
        let driver = docker::Driver::open(settings).await?;
        Ok(Self { shared: Arc::clone(&driver) as Arc<dyn SandboxDriver>, kind: Kind::Docker(driver) })
    }

    async fn native(settings: &Settings) -> Result<Self, Error> {
        let settings = native::Settings {
            instance: settings.instance.clone(),
            init: settings.init.clone(),
            ceiling: Some(settings.ceiling),
            is_weak_allowed: settings.is_weak_allowed,
        };
        let driver = native::Driver::open(settings).await?;
        Ok(Self { shared: Arc::clone(&driver) as Arc<dyn SandboxDriver>, kind: Kind::Native(driver) })
    }

    /// As the pool and the deployer see it.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn SandboxDriver> {
        Arc::clone(&self.shared)
    }

    /// `docker` or `native`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name()
    }

    /// Waits for the last sandboxes to be gone and removes what the driver itself made.
    pub async fn close(&self) {
        let closed = match &self.kind {
            Kind::Docker(driver) => driver.close().await,
            Kind::Native(driver) => driver.close().await,
        };
        if let Err(error) = closed {
            tracing::warn!(error = &error as &dyn std::error::Error, "the driver left something behind");
        }
    }
}
