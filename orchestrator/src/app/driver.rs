//! Which driver isolates functions: the one that is asked for, or, with `auto`, Docker where it answers.

use std::path::PathBuf;
use std::sync::Arc;

use cloudbox_sandbox::{Ceiling, Error, Instance, SandboxDriver, docker, native};

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
    /// The static init.
    pub init: PathBuf,
    /// What all sandboxes together may use.
    pub ceiling: Ceiling,
    /// Whether to start without mandatory layers of the isolation.
    pub is_weak_allowed: bool,
}

impl Driver {
    /// Opens the driver. `auto` falls back to native only here, at the start, and says so; never for a daemon that is
    /// there and doesn't isolate as it must.
    ///
    /// # Errors
    /// The driver that was asked for, or with `auto` the last one, can't work here.
    pub async fn open(choice: SandboxChoice, settings: &Settings) -> Result<Self, Error> {
        match choice {
            SandboxChoice::Docker => Self::docker(settings).await,
            SandboxChoice::Native => Self::native(settings).await,
            SandboxChoice::Auto => match Self::docker(settings).await {
                Ok(driver) => Ok(driver),
                Err(error @ Error::Unavailable { .. }) => {
                    tracing::info!(reason = %error, "no Docker here: functions run in native sandboxes");
                    Self::native(settings).await
                }
                Err(error) => Err(error),
            },
        }
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
