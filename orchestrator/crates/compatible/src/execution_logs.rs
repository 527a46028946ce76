//! A function's calls in numbered pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloudbox_api_types::ErrorBody;
use cloudbox_api_types::dashboard::{ExecutionLog, ExecutionLogs, Pagination};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, Tenant, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Path, Query, page_request};
use cloudbox_store::NumberedPage;

/// Beyond it a page would be passed over record by record for minutes.
const MAX_PAGE: u32 = 100_000;

/// List a function's calls, newest first.
#[utoipa::path(get, path = "/api/functions/{function}/execution-logs", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant"),
        ("page" = Option<u32>, Query, description = "Counted from 1", minimum = 1, maximum = 100_000),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000),
        ("filter" = Option<String>, Query, description = "`all` (default), `success` or `error`")),
    responses((status = 200, body = ExecutionLogs), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path(function): Path<String>,
    query: Query,
) -> Result<Json<ExecutionLogs>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    let limit = page_request(&query)?.limit;
    let page = number(&query)?;
    let wanted =
        NumberedPage { succeeded: filter(&query)?, offset: i64::from(page - 1) * i64::from(limit), limit };
    api.backend.flush().await;
    let (records, total) = api.store.numbered_records(function.id, wanted).await?;
    let name = &function.settings.name;
    let logs = records.into_iter().map(|record| ExecutionLog::new(record, name)).collect();
    let total_pages = (total + i64::from(limit) - 1) / i64::from(limit);
    Ok(Json(ExecutionLogs { logs, pagination: Pagination { page, limit, total, total_pages } }))
}

fn number(query: &Query) -> Result<u32, ApiError> {
    let wanted = format!("must be a whole number from 1 to {MAX_PAGE}");
    let page = query.parsed("page", &wanted)?.unwrap_or(1);
    if (1..=MAX_PAGE).contains(&page) { Ok(page) } else { Err(ApiError::invalid_field("page", wanted)) }
}

fn filter(query: &Query) -> Result<Option<bool>, ApiError> {
    match query.get("filter") {
        None | Some("all") => Ok(None),
        Some("success") => Ok(Some(true)),
        Some("error" | "failed") => Ok(Some(false)),
        Some(_) => Err(ApiError::invalid_field("filter", "must be all, success or error")),
    }
}

/// Read one call.
#[utoipa::path(get, path = "/api/functions/{function}/execution-logs/{id}", tag = "dashboard",
    params(("function" = String, Path, description = "Id, or a name in the project that is meant"),
        ("id" = String, Path, description = "The invocation's id")),
    responses((status = 200, body = ExecutionLog), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn read(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Tenant(project): Tenant,
    Path((function, id)): Path<(String, String)>,
) -> Result<Json<ExecutionLog>, ApiError> {
    let function = access::function_meant(&api, caller, &project, &function).await?;
    api.backend.flush().await;
    let found = match id.parse() {
        Ok(id) => api.store.record(id).await?,
        Err(_) => None,
    };
    let own = found.filter(|record| record.function_id == function.id);
    let record = own.ok_or_else(|| ApiError::not_found("execution log"))?;
    Ok(Json(ExecutionLog::new(record, &function.settings.name)))
}
