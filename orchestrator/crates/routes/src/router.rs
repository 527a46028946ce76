//! Every route, on one page. The OpenAPI document comes from the same lines.

use std::sync::Arc;

use axum::routing::any;
use axum::{Router, middleware as layers};
use cloudbox_api::controllers::{
    aliases, deployments, execute, functions, health, logs, packages, projects, public, runtimes, scaling,
    secrets, storage, versions,
};
use cloudbox_compatible::{
    dashboard, edge_functions, execution_logs, function_service, inline, invoke, listed_functions, uploads,
    versions as listed_versions,
};
use cloudbox_http::api::Api;
use cloudbox_http::error::ApiError;
use cloudbox_http::middleware::Around;
pub use cloudbox_http::middleware::Bounds;
use cloudbox_types::ErrorCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::openapi;

fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(projects::create, projects::list))
        .routes(routes!(projects::read, projects::change, projects::delete))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::read, secrets::put, secrets::delete))
        .routes(routes!(secrets::rotate))
        .routes(routes!(functions::create, functions::list))
        .routes(routes!(functions::read, functions::change, functions::delete))
        .routes(routes!(scaling::read, scaling::change))
        .routes(routes!(deployments::deploy))
        .routes(routes!(deployments::list))
        .routes(routes!(deployments::read))
        .routes(routes!(deployments::logs))
        .routes(routes!(packages::put, packages::read))
        .routes(routes!(packages::read_of_version))
        .merge(version_routes())
        .routes(routes!(deployments::cancel))
        .routes(routes!(execute::execute))
        .routes(routes!(logs::list))
        .routes(routes!(logs::inline))
        .routes(routes!(inline::execute))
        .routes(routes!(inline::test))
        .routes(routes!(inline::validate))
        .routes(routes!(inline::info))
        .routes(routes!(runtimes::list))
        .routes(routes!(runtimes::read, runtimes::remove))
        .routes(routes!(runtimes::install))
        .routes(routes!(storage::collect))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        // Every method, invented ones too; `openapi::base` documents them.
        .route("/p/{project}/functions/{name}", any(public::call))
        .route("/p/{project}/functions/{name}/", any(public::call))
        .route("/p/{project}/functions/{name}/{*path}", any(public::call_below))
        .route("/_functions/{name}", any(invoke::short))
        .route("/_functions/{name}/", any(invoke::short))
        .route("/_functions/{name}/{*path}", any(invoke::short_below))
        .route("/invoke/{function}", any(invoke::invoke))
        .route("/invoke/{function}/", any(invoke::invoke))
        .route("/invoke/{function}/{*path}", any(invoke::invoke_below))
        .merge(function_service_routes())
        .routes(routes!(edge_functions::create, edge_functions::list))
        .routes(routes!(edge_functions::read, edge_functions::change, edge_functions::delete))
        .routes(routes!(edge_functions::invoke::invoke))
        .routes(routes!(edge_functions::logs))
        .routes(routes!(listed_functions::create, listed_functions::list))
        .routes(routes!(listed_functions::read, listed_functions::change, listed_functions::delete))
        .routes(routes!(uploads::upload))
        .routes(routes!(listed_versions::list))
        .routes(routes!(listed_versions::switch))
        .routes(routes!(listed_versions::delete))
        .routes(routes!(execution_logs::list))
        .routes(routes!(execution_logs::read))
        .routes(routes!(dashboard::stats))
        .routes(routes!(dashboard::recent_activity))
}

fn version_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(versions::list))
        .routes(routes!(versions::read, versions::delete))
        .routes(routes!(versions::activate))
        .routes(routes!(versions::roll_back))
        .routes(routes!(versions::diff))
        .routes(routes!(versions::activations))
        .routes(routes!(aliases::list))
        .routes(routes!(aliases::read, aliases::set, aliases::delete))
}

/// Where a path is one of these and one of the routes above, words win over parameters: `projects`, `code`, `register`
/// and `execution-logs` stand for themselves.
fn function_service_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(function_service::invoke::invoke, function_service::look, function_service::switch))
        .routes(routes!(function_service::invoke::invoke_short))
        .routes(routes!(function_service::list))
        .routes(routes!(function_service::create, function_service::list_of_project))
        .routes(routes!(function_service::register))
        .routes(routes!(function_service::code))
        .routes(routes!(function_service::read, function_service::change, function_service::delete))
        .layer(layers::from_fn(function_service::say_success))
}

/// The service's HTTP side.
pub fn build(api: Arc<Api>, bounds: Bounds) -> Router {
    let around = Around::new(bounds, api.closing.clone());
    let (router, document) = routes().split_for_parts();
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::finish(document)))
        .fallback(|| async { ApiError::not_found("path") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                ErrorCode::MethodNotAllowed,
                "this path doesn't have this method; see the header Allow",
            )
        })
        .layer(around)
        .with_state(api)
}

/// The OpenAPI document, as `/openapi.json` answers it.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::finish(routes().split_for_parts().1)
}

#[cfg(test)]
mod tests;
