//! Creates and changes on routes that know no deploy step: a function's code is deployed with them.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_api::controllers::{deployments, functions, packages};
use cloudbox_http::api::Api;
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Fields;
use cloudbox_http::settings;
use cloudbox_storage::Package;
use cloudbox_store::{Begin, NewFunction};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{
    Deployment, DeploymentStatus, ErrorCode, Function, FunctionId, FunctionStatus, ProjectId,
};
use tokio::time::{Instant, sleep};

/// How long a deployment waits for another one of its function.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Makes a function and deploys its code, where it has some. A create whose build fails leaves nothing.
///
/// # Errors
/// The store's; `DEPLOYMENT_ERROR` with the build's logs.
pub(super) async fn create(
    api: &Arc<Api>,
    project_id: ProjectId,
    settings: FunctionSettings,
) -> Result<Function, ApiError> {
    let api = Arc::clone(api);
    to_its_end(async move {
        let made = api.store.create_function(NewFunction { project_id, settings }).await?;
        if made.settings.code.is_none() {
            return Ok(made);
        }
        match deploy(&api, &made).await {
            Ok(deployed) => Ok(deployed),
            Err(error) => {
                functions::remove(&api, &made).await?;
                Err(error)
            }
        }
    })
    .await
}

/// Changes a function, and deploys it where calls would not see the change otherwise; so does a body that names the
/// code of a function whose last build failed. After a build that failed the
/// change is kept, and calls go on with the version that they had.
///
/// # Errors
/// What is wrong with the body; the store's; `DEPLOYMENT_ERROR` with the build's logs.
pub(super) async fn change(api: &Arc<Api>, before: Function, body: Fields) -> Result<Function, ApiError> {
    let names_code = body.has("code");
    let settings = settings::patch(&before.settings, body, &api.known_runtimes(), &api.ranges)?;
    let api = Arc::clone(api);
    to_its_end(async move {
        let is_again = names_code && before.status != FunctionStatus::Deployed;
        let is_build = is_again || is_of_the_build(&before.settings, &settings);
        let after = functions::update(&api, before, settings).await?;
        if is_build && has_source(&after) { deploy(&api, &after).await } else { Ok(after) }
    })
    .await
}

/// Whether a version has something else in it.
fn is_of_the_build(before: &FunctionSettings, after: &FunctionSettings) -> bool {
    before.code != after.code
        || before.package != after.package
        || before.runtime != after.runtime
        || before.language != after.language
        || before.entry_point != after.entry_point
        || before.handler_style != after.handler_style
        || before.dependencies != after.dependencies
}

/// Makes a package the function's source and deploys it: the function, and the number of the version that it became.
/// After a build that failed the function keeps the package, and calls go on with the version that they had.
///
/// # Errors
/// The store's; `DEPLOYMENT_ERROR` with the build's logs.
pub(super) async fn deploy_package(
    api: &Arc<Api>,
    function: Function,
    package: Package,
) -> Result<(Function, i64), ApiError> {
    let api = Arc::clone(api);
    to_its_end(async move {
        let id = function.id;
        let function = packages::become_source(&api, function, &package).await?;
        let ended = run(&api, &function).await?;
        Ok((deployed(&api, id).await?, ended.version))
    })
    .await
}

fn has_source(function: &Function) -> bool {
    function.settings.code.is_some() || function.settings.package.is_some()
}

async fn deploy(api: &Api, function: &Function) -> Result<Function, ApiError> {
    run(api, function).await?;
    deployed(api, function.id).await
}

/// Runs a deployment, which must succeed.
async fn run(api: &Api, function: &Function) -> Result<Deployment, ApiError> {
    let ended = api.backend.deploy(begin(api, function).await?).await?;
    if ended.status != DeploymentStatus::Deployed {
        return Err(deployments::failed(ended));
    }
    Ok(ended)
}

/// The function, once calls get its new version.
async fn deployed(api: &Api, function: FunctionId) -> Result<Function, ApiError> {
    let deployed = api.store.function(function).await?;
    api.backend.settled().await;
    deployed.ok_or_else(|| ApiError::not_found("function"))
}

/// Begins a deployment, after the one that is running.
async fn begin(api: &Api, function: &Function) -> Result<Deployment, ApiError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match api.backend.begin_deployment(function, &Begin::default()).await {
            Err(error) if error.body.code == ErrorCode::Conflict && Instant::now() < end => {
                sleep(LOOK_EVERY).await;
            }
            begun => return begun,
        }
    }
}

/// Runs on even where the caller goes away: half of it would be neither the old nor the new.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(ApiError::internal()))
}
