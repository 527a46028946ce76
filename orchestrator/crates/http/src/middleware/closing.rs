//! While the service ends: what was accepted is answered, nothing new is begun.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::Api;
use crate::error::ApiError;

/// Refuses every request that comes after the end has begun, but for those that ask how the service is.
pub async fn refuse_when_closing(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_probe = path == "/metrics" || path == "/health" || path.starts_with("/health/");
    if api.closing.is_cancelled() && !is_probe {
        return ApiError::closing().into_response();
    }
    next.run(request).await
}
