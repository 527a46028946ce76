//! Executions of a function: pages of records, newest first, or a stream of them as they come.

use std::collections::{HashMap, VecDeque};
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
use tokio::time::Instant;

use super::answer::{EventSender, async_stream};

/// How often a followed function is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long a transaction with records may take.
const LOOK_BACK: Duration = Duration::from_secs(2);
/// How long what was found may be found again.
const SEEN_FOR: Duration = Duration::from_secs(60);
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

/// Sends every record once: those since `since`, then those that come from now on, as they are kept.
async fn follow(api: Arc<Api>, function: FunctionId, filter: RecordFilter, sender: EventSender) {
    api.backend.flush().await;
    let mut reading = Reading::default();
    reading.look(&api, function, filter.status).await;
    if filter.since.is_some() {
        let page = PageRequest { limit: LOOK_LIMIT, after: None };
        let found = api.store.records(function, &filter, page).await;
        let found = found.map(|page| page.items).unwrap_or_default();
        if !reading.send(found.into_iter().rev(), &sender).await {
            return;
        }
    }
    loop {
        let found = reading.look(&api, function, filter.status).await;
        let is_all = found.len() < LOOK_LIMIT as usize;
        if !reading.send(found.into_iter(), &sender).await {
            return;
        }
        let pause = if is_all { LOOK_EVERY } else { Duration::ZERO };
        if api.closing.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        api.backend.flush().await;
    }
}

/// How far a function's records were read.
#[derive(Default)]
struct Reading {
    /// Where the looks of late ended.
    looks: VecDeque<(Instant, i64)>,
    /// What was found of late.
    seen: HashMap<InvocationId, Instant>,
}

impl Reading {
    /// What was kept since; the first look finds nothing. A failure of the store is an empty look: the next one sees what
    /// this one missed. Transactions of several nodes can end in another order than their numbers, so each look goes back
    /// by a little.
    async fn look(&mut self, api: &Api, function: FunctionId, status: Option<RecordStatus>) -> Vec<Record> {
        let now = Instant::now();
        let is_settled = |look: Option<&(Instant, i64)>| look.is_some_and(|(at, _)| *at + LOOK_BACK <= now);
        while is_settled(self.looks.get(1)) {
            self.looks.pop_front();
        }
        let after = self.looks.front().map(|(_, place)| *place);
        let Ok(page) = api.store.records_after(function, status, after).await else { return Vec::new() };
        self.looks.extend(page.next.map(|place| (now, place)));
        page.items
    }

    /// Sends those that weren't found before; false when their reader has gone.
    async fn send(&mut self, found: impl Iterator<Item = Record>, sender: &EventSender) -> bool {
        let now = Instant::now();
        self.seen.retain(|_, at| *at + SEEN_FOR > now);
        for record in found {
            let is_new = self.seen.insert(record.id, now).is_none();
            if is_new && !sender.send("execution", &Execution::from(record)).await {
                return false;
            }
        }
        true
    }
}
