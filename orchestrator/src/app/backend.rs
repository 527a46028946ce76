//! What the HTTP side asks of the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cloudbox_api_types::{CollectGarbage, Garbage, Runtime, SandboxHealth, SandboxLayer, VersionInstances};
use cloudbox_bundles::State;
use cloudbox_dispatch::recorder::Condition;
use cloudbox_dispatch::{Call, Outcome};
use cloudbox_http::api::Backend;
use cloudbox_http::error::ApiError;
use cloudbox_images::Reference;
use cloudbox_store::Begin;
use cloudbox_types::image::CUSTOM;
use cloudbox_types::{
    Deployment, DeploymentId, ErrorCode, Function, FunctionId, Language, ProjectId, Switch, Version,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::App;
use crate::pool_metrics;

/// Seconds after which a queue of builds that was full may have room.
const QUEUE_RETRY_S: u32 = 10;

/// The service, as the interface that is shared by every request. Cloned by its parts' handles.
pub struct Shared(pub Arc<App>);

#[async_trait]
impl Backend for Shared {
    async fn invoke(&self, call: Call) -> Outcome {
        self.0.dispatcher.invoke(call).await
    }

    async fn begin_deployment(&self, function: &Function, begin: &Begin) -> Result<Deployment, ApiError> {
        use cloudbox_deploy::Error;
        self.0.deployer.begin_as(function, begin).await.map_err(|error| match error {
            Error::Store(error) => error.into(),
            Error::Full(full) => {
                let mut refused = ApiError::new(ErrorCode::Overloaded, full.to_string());
                refused.retry_after_s = Some(QUEUE_RETRY_S);
                refused
            }
            error @ (Error::Io { .. } | Error::Storage(_) | Error::Artefacts(_)) => broken_off(&error),
        })
    }

    fn queue_place(&self, deployment: DeploymentId) -> Option<u32> {
        self.0.deployer.distance(deployment).and_then(|place| u32::try_from(place).ok())
    }

    fn cancel_deployment(&self, deployment: DeploymentId, why: &str) -> bool {
        self.0.deployer.cancel(deployment, why)
    }

    fn deploy(&self, deployment: Deployment) -> BoxFuture<'static, Result<Deployment, ApiError>> {
        let app = Arc::clone(&self.0);
        let running = self.0.tasks.spawn(async move {
            let told = |function: &Function, version: &Version| app.version_made(function, version);
            // Dropped half way, it takes its sandbox with it.
            let outcome = app.ending.cutoff.run_until_cancelled(app.deployer.run(deployment, &told)).await;
            outcome.transpose().map(|outcome| outcome.map(|outcome| outcome.deployment))
        });
        async move {
            match running.await {
                Ok(Ok(Some(deployment))) => Ok(deployment),
                Ok(Ok(None)) => Err(ApiError::closing()),
                Ok(Err(error)) => Err(broken_off(&error)),
                Err(panic) => Err(broken_off(&panic)),
            }
        }
        .boxed()
    }

    async fn settled(&self) {
        self.0.deployer.settled().await;
    }

    async fn switch(&self, function: FunctionId, switch: Switch, author: &str) -> Result<Function, ApiError> {
        let (app, author) = (Arc::clone(&self.0), author.to_owned());
        let running = self.0.tasks.spawn(async move { app.switch(function, &switch, &author).await });
        running
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(
                    error = &panic as &dyn std::error::Error,
                    "a switch of versions was broken off"
                );
                Err(cloudbox_store::Error::Refused {
                    why: "the switch was broken off; look which version is active".to_owned(),
                })
            })
            .map_err(ApiError::from)
    }

    async fn files(&self, version: &Version) -> Result<BTreeMap<String, String>, ApiError> {
        let (code, digest) = (Arc::clone(self.0.deployer.code()), version.digest.clone());
        // It reads all of them.
        let read = tokio::task::spawn_blocking(move || code.files(&digest)).await;
        match read {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(error)) => Err(unreadable(&error)),
            Err(panic) => Err(unreadable(&panic)),
        }
    }

    fn function_changed(&self, function: Function, version: Option<Version>) {
        self.0.function_changed(function, version);
    }

    fn function_deleted(&self, project: ProjectId, function: FunctionId) {
        self.0.function_gone(project, function);
    }

    fn project_deleted(&self, project: ProjectId) {
        self.0.project_gone(project);
    }

    fn instances(&self, function: FunctionId) -> Vec<VersionInstances> {
        self.0.instances(function)
    }

    fn runtimes(&self) -> Vec<Runtime> {
        let catalogue = &self.0.catalogue;
        let runtime = |info: cloudbox_bundles::RuntimeInfo| {
            let resolved = info.languages.first().and_then(|language| {
                catalogue.resolve(*language, Some(&info.name)).ok().map(|resolved| resolved.runtime)
            });
            Runtime {
                resolved,
                languages: info.languages.iter().map(ToString::to_string).collect(),
                version: info.toolchain.unwrap_or(info.version),
                state: info.state.as_str().to_owned(),
                detail: info.detail,
                is_installed: info.is_installed,
                image: info.image,
                end_of_life: info.end_of_life.map(|date| date.to_string()),
                is_default: info.is_default,
                name: info.name,
            }
        };
        catalogue.runtimes().into_iter().map(runtime).chain([self.custom()]).collect()
    }

    fn install_runtime(&self, name: &str, image: Option<&str>) -> Result<bool, ApiError> {
        let app = &self.0;
        if name == CUSTOM {
            let sentence = "functions of this runtime bring their own images: nothing is installed for it";
            return Err(ApiError::new(ErrorCode::Conflict, sentence));
        }
        if let Some(image) = image {
            return self.install_image(name, image).map(|()| true);
        }
        let begun = app.catalogue.begin_install(name).map_err(of_catalogue)?;
        if let Some(installation) = begun {
            let cutoff = app.ending.closing.clone();
            app.tasks.spawn(async move { cutoff.run_until_cancelled_owned(installation.run()).await });
            return Ok(true);
        }
        Ok(app.catalogue.runtime(name).is_some_and(|info| info.state != State::Ready))
    }

    async fn remove_runtime(&self, name: &str) -> Result<(), ApiError> {
        let app = Arc::clone(&self.0);
        let needed = app.store.versions_on(name).await?;
        let is_installed = app.catalogue.runtime(name).is_some_and(|info| info.is_installed);
        if is_installed && !needed.is_empty() {
            let needed: Vec<String> =
                needed.iter().map(|(function, number)| format!("{function} version {number}")).collect();
            let sentence = format!(
                "{name} is needed by {}; deploy them on another runtime, or delete them",
                needed.join(", ")
            );
            return Err(ApiError::new(ErrorCode::Conflict, sentence));
        }
        let name = name.to_owned();
        let removing = move || {
            let removed = app.catalogue.remove(&name);
            app.forget_roots();
            removed
        };
        let removed = tokio::task::spawn_blocking(removing).await;
        removed.map_err(|panic| broken_off(&panic))?.map_err(of_catalogue)
    }

    async fn collect_garbage(&self, order: CollectGarbage) -> Result<Garbage, ApiError> {
        use cloudbox_deploy::Error;
        match self.0.collect_garbage(order).await {
            Ok(garbage) => garbage.ok_or_else(ApiError::closing),
            Err(Error::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "garbage can't be looked for");
                Err(ApiError::internal())
            }
        }
    }

    fn sandbox(&self) -> SandboxHealth {
        let layer = |layer: cloudbox_sandbox::Layer| SandboxLayer {
            name: layer.name.to_owned(),
            is_mandatory: layer.is_mandatory,
            is_active: layer.is_active(),
            detail: layer.detail,
        };
        SandboxHealth {
            driver: self.0.driver.name().to_owned(),
            layers: self.0.driver.shared().layers().into_iter().map(layer).collect(),
        }
    }

    fn sandbox_trouble(&self) -> Option<String> {
        self.0.driver.shared().trouble()
    }

    fn refresh_metrics(&self) {
        pool_metrics::record(&self.0.pool.snapshot());
    }

    async fn flush(&self) {
        self.0.recorder.flush_for_reader().await;
    }

    fn recording(&self) -> Condition {
        self.0.recorder.condition()
    }
}

impl Shared {
    /// The runtime of functions with images of their own, which is no toolchain.
    fn custom(&self) -> Runtime {
        let is_on = self.0.deployer.images().check_on();
        let languages = [Language::Custom, Language::Javascript, Language::Typescript, Language::Python];
        Runtime {
            name: CUSTOM.to_owned(),
            languages: languages.iter().map(ToString::to_string).collect(),
            version: String::new(),
            state: if is_on.is_ok() { State::Ready } else { State::Absent }.as_str().to_owned(),
            resolved: is_on.is_ok().then(|| CUSTOM.to_owned()),
            detail: is_on.err().map(|error| error.to_string()),
            is_installed: false,
            image: None,
            end_of_life: None,
            is_default: false,
        }
    }

    /// Begins to make an image a runtime's toolchain.
    fn install_image(&self, name: &str, image: &str) -> Result<(), ApiError> {
        let app = &self.0;
        let images = app.deployer.images();
        let reference =
            Reference::parse(image).map_err(|error| ApiError::invalid_field("image", error.to_string()))?;
        images.check_driver().map_err(|error| ApiError::new(ErrorCode::Conflict, error.to_string()))?;
        let installation = app.catalogue.begin_image(name).map_err(of_catalogue)?;
        app.install(vec![(installation, reference)]);
        Ok(())
    }
}

/// Who asked for what is not possible is told why; the rest is in the log.
fn of_catalogue(error: cloudbox_bundles::Error) -> ApiError {
    use cloudbox_bundles::Error as Of;
    match error {
        Of::NoSuch { .. } => ApiError::not_found("runtime"),
        Of::NotFetchable { .. }
        | Of::Own { .. }
        | Of::InUse { .. }
        | Of::Installing { .. }
        | Of::NotInImages { .. } => ApiError::new(ErrorCode::Conflict, error.to_string()),
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "a runtime could not be changed");
            ApiError::internal()
        }
    }
}

fn broken_off(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "a deployment was broken off");
    ApiError::internal()
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "the files of a version can't be read");
    ApiError::internal()
}
