//! What a dashboard shows: counts, and the newest calls of all functions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::dashboard::{Activity, DashboardStats};
use cloudbox_api_types::{ErrorBody, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Query, page_request};

/// Count functions and calls.
#[utoipa::path(get, path = "/api/dashboard/stats", tag = "dashboard",
    responses((status = 200, body = DashboardStats), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
#[expect(clippy::cast_precision_loss, reason = "a share of a count needs no more digits")]
pub async fn stats(caller: Caller, State(api): State<Arc<Api>>) -> Result<Json<DashboardStats>, ApiError> {
    access::projects(caller)?;
    api.backend.flush().await;
    let (totals, overview) = (api.store.totals().await?, api.store.overview().await?);
    let share = match totals.invocations {
        0 => 1.0,
        all => totals.succeeded as f64 / all as f64,
    };
    Ok(Json(DashboardStats {
        total_functions: overview.functions,
        active_functions: overview.active,
        inactive_functions: overview.functions - overview.active,
        total_executions: totals.invocations,
        successful_executions: totals.succeeded,
        failed_executions: totals.failed,
        success_rate: (share * 10_000.0).round() / 100.0,
        average_execution_time: overview.average_ms,
    }))
}

/// List the newest calls of all functions.
#[utoipa::path(get, path = "/api/dashboard/recent-activity", tag = "dashboard",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000)),
    responses((status = 200, body = List<Activity>), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn recent_activity(
    caller: Caller,
    State(api): State<Arc<Api>>,
    query: Query,
) -> Result<Json<List<Activity>>, ApiError> {
    access::projects(caller)?;
    let limit = page_request(&query)?.limit;
    api.backend.flush().await;
    let newest = api.store.newest_records(limit).await?;
    let items = newest.iter().map(|(record, name)| Activity::new(record, name)).collect();
    Ok(Json(List { items, next_cursor: None }))
}
