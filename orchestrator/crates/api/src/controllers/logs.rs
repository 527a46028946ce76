//! Executions of a function: pages of records, newest first, or a stream of them as they come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{ErrorBody, Execution, List};
use cloudbox_http::api::Api;
use cloudbox_http::auth::{Caller, access};
use cloudbox_http::error::ApiError;
use cloudbox_http::extract::{Path, Query, page_request};
use cloudbox_store::RecordFilter;
use cloudbox_types::{FunctionId, InvocationId, PageRequest, Record, RecordStatus};
use jiff::{SignedDuration, Timestamp};

use super::answer::{EventSender, async_stream};

/// How often a followed function is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long after its begin a call's record can come: the longest timeout and the longest wait in a queue.
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(660);
/// Records of one look.
const LOOK_LIMIT: u32 = 1000;

/// List a function's executions, newest first, or follow them: one event `execution` for each as it ends.
#[utoipa::path(get, path = "/api/projects/{project}/functions/{function}/logs", tag = "executions",
    params(("project" = String, Path, description = "Id or slug"),
        ("function" = String, Path, description = "Id or name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "RFC 3339: accepted at or after this time"),
        ("status" = Option<String>, Query, description = "`success`, `error` or `timeout`"),
        ("follow" = Option<bool>, Query, description = "Stream what comes from now on")),
    responses((status = 200, content((List<Execution> = "application/json"), (Execution = "text/event-stream"))),
        (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path((project, function)): Path<(String, String)>,
    query: Query,
) -> Result<Response, ApiError> {
    let function = access::function(&api, caller, &project, &function).await?;
    let page = page_request(&query)?;
    let filter = filter(&query)?;
    if query.flag("follow")? {
        let id = function.id;
        let events = async_stream(move |sender| follow(api, id, filter, sender));
        return Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response());
    }
    api.backend.flush().await;
    let page = api.store.records(function.id, &filter, page).await?;
    Ok(Json(List::from_page(page, Execution::from)).into_response())
}

/// List the calls of code that came with them (`/execute`, `/test`), newest first.
#[utoipa::path(get, path = "/api/projects/{project}/inline-executions", tag = "executions",
    params(("project" = String, Path, description = "Id or slug"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "RFC 3339: accepted at or after this time"),
        ("status" = Option<String>, Query, description = "`success`, `error` or `timeout`")),
    responses((status = 200, body = List<Execution>), (status = "4XX", body = ErrorBody)), security(("bearer" = [])))]
pub async fn inline(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Path(project): Path<String>,
    query: Query,
) -> Result<Json<List<Execution>>, ApiError> {
    let project = access::project(&api, caller, &project).await?;
    let (page, filter) = (page_request(&query)?, filter(&query)?);
    api.backend.flush().await;
    let page = api.store.inline_records(project.id, &filter, page).await?;
    Ok(Json(List::from_page(page, Execution::from)))
}

fn filter(query: &Query) -> Result<RecordFilter, ApiError> {
    Ok(RecordFilter {
        since: query.parsed("since", "must be a time of RFC 3339, such as 2026-01-15T00:00:00Z")?,
        status: query.parsed::<RecordStatus>("status", "must be success, error or timeout")?,
    })
}

/// Sends every record once: those since `since`, else those that come from now on.
async fn follow(api: Arc<Api>, function: FunctionId, filter: RecordFilter, sender: EventSender) {
    let mut seen: HashMap<InvocationId, Timestamp> = HashMap::new();
    let mut is_sending = filter.since.is_some();
    loop {
        // A long call is recorded after shorter ones that began later, so each look goes back by the longest.
        let horizon = Timestamp::now() - LONGEST_CALL;
        let since = match filter.since {
            Some(since) if seen.is_empty() => since,
            Some(since) => since.max(horizon),
            None => horizon,
        };
        for record in look(&api, function, RecordFilter { since: Some(since), status: filter.status }).await {
            let is_new = seen.insert(record.id, record.created_at).is_none();
            if is_new && is_sending && !sender.send("execution", &Execution::from(record)).await {
                return;
            }
        }
        is_sending = true;
        seen.retain(|_, created_at| *created_at >= horizon);
        if api.closing.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
}

/// Oldest first. A failure of the store is an empty look: the next one sees what this one missed.
async fn look(api: &Api, function: FunctionId, filter: RecordFilter) -> Vec<Record> {
    api.backend.flush().await;
    let page = PageRequest { limit: LOOK_LIMIT, after: None };
    let found = api.store.records(function, &filter, page).await;
    let mut records = found.map(|page| page.items).unwrap_or_default();
    records.reverse();
    records
}
