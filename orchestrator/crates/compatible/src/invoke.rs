//! The short public ways: `/_functions/{name}` and `/invoke/{function}`, each with any path below.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use cloudbox_api::controllers::public::{Way, answered};
use cloudbox_api_types::ErrorBody;
use cloudbox_http::api::Api;
use cloudbox_http::auth::MaybeCaller;
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Path;

/// Call a function of the project that the host or `X-Project-Id` names, else of the default one.
#[utoipa::path(method(get, post, put, patch, delete), path = "/_functions/{name}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("name" = String, Path, description = "`name`, or `name:alias` for another version"), ("X-Project-Id" = Option<String>, Header, description = "Id or slug")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn short(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, ApiError>,
    request: Request,
) -> Response {
    let named = path.map(|Path(name)| (String::new(), name));
    answered(&api, caller.0, Way::Short, named, request).await
}

/// Call a function of the project that the host or `X-Project-Id` names, with a path of its own.
#[utoipa::path(method(get, post, put, patch, delete), path = "/_functions/{name}/{path}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("name" = String, Path, description = "`name`, or `name:alias` for another version"), ("path" = String, Path, description = "Any path, slashes included"),
        ("X-Project-Id" = Option<String>, Header, description = "Id or slug")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn short_below(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, ApiError>,
    request: Request,
) -> Response {
    let named = path.map(|Path((name, _))| (String::new(), name));
    answered(&api, caller.0, Way::Short, named, request).await
}

/// Call a function by its id, in whichever project.
#[utoipa::path(method(get, post, put, patch, delete), path = "/invoke/{function}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("function" = String, Path, description = "Id, or a name as on `/_functions/{name}`; `:alias` behind it for another version")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn invoke(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, ApiError>,
    request: Request,
) -> Response {
    let named = path.map(|Path(function)| (String::new(), function));
    answered(&api, caller.0, Way::Invoke, named, request).await
}

/// Call a function by its id, with a path of its own.
#[utoipa::path(method(get, post, put, patch, delete), path = "/invoke/{function}/{path}", tag = "calls",
    request_body(content = Option<String>, content_type = "*/*", description = "Whatever the handler understands"),
    params(("function" = String, Path, description = "Id, or a name as on `/_functions/{name}`; `:alias` behind it for another version"),
        ("path" = String, Path, description = "Any path, slashes included")),
    responses((status = "default", description = "The handler's own answer"),
        (status = "4XX", description = "An error, or the handler's own answer", body = ErrorBody),
        (status = "5XX", description = "An error, or the handler's own answer", body = ErrorBody)),
    security((), ("bearer" = [])))]
pub async fn invoke_below(
    caller: MaybeCaller,
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, ApiError>,
    request: Request,
) -> Response {
    let named = path.map(|Path((function, _))| (String::new(), function));
    answered(&api, caller.0, Way::Invoke, named, request).await
}
