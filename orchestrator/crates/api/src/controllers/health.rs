//! How the service is: for people, for probes, for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::{Health, Live, MemoryUse, Ready};
use cloudbox_http::api::Api;
use http::{StatusCode, header};

/// Bytes of a page of memory: `/proc/self/statm` counts in pages.
const PAGE_BYTES: u64 = 4096;
/// How long a probe waits for the database: probes give up after seconds themselves.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);
/// Of the machine's memory, the part below which there is too little left.
const LOW_MEMORY: f64 = 0.05;

/// How the service is.
#[utoipa::path(get, path = "/health", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn health(State(api): State<Arc<Api>>) -> Response {
    let totals = within(async {
        api.backend.flush().await;
        api.store.totals().await
    });
    let totals = totals.await;
    let memory = memory();
    let recording = api.backend.recording();
    let mut warnings = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    if memory.total > 0 && (memory.available as f64) < memory.total as f64 * LOW_MEMORY {
        warnings.push("the machine has little memory left".to_owned());
    }
    warnings.extend(api.backend.sandbox_trouble());
    let sandbox = api.backend.sandbox();
    // What may be missing is told, but is no change of the status: what a machine can't have, it never had.
    let is_weak = sandbox.layers.iter().any(|layer| layer.is_mandatory && !layer.is_active);
    let is_short = !warnings.is_empty() || is_weak || recording.is_now;
    warnings.extend(recording.warnings);
    let missing = sandbox.layers.iter().filter(|layer| !layer.is_active);
    warnings.extend(missing.map(|layer| format!("isolation lacks {}: {}", layer.name, layer.detail)));
    let is_down = totals.is_none() || api.closing.is_cancelled();
    if totals.is_none() {
        warnings.push("the database does not answer".to_owned());
    }
    let (status, health, http_status) = match (is_down, is_short) {
        (true, _) => ("unhealthy", "unhealthy", StatusCode::SERVICE_UNAVAILABLE),
        (false, true) => ("warning", "warning", StatusCode::OK),
        (false, false) => ("ok", "healthy", StatusCode::OK),
    };
    let totals = totals.unwrap_or_default();
    let body = Health {
        status: status.to_owned(),
        health: health.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: api.started_at.elapsed().as_secs_f64(),
        total_invocations: totals.invocations,
        successful_invocations: totals.succeeded,
        failed_invocations: totals.failed,
        memory,
        load: load(),
        sandbox,
        warnings,
    };
    (http_status, Json(body)).into_response()
}

/// Whether the process runs at all.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Live)))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn live() -> Json<Live> {
    Json(Live { status: "ok".to_owned() })
}

/// Whether the service takes new work.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, Json<Ready>) {
    let mut reasons = Vec::new();
    if api.closing.is_cancelled() {
        reasons.push("the service is shutting down".to_owned());
    }
    reasons.extend(api.backend.sandbox_trouble());
    match tokio::time::timeout(DATABASE_PATIENCE, api.store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => reasons.push(error.to_string()),
        Err(_) => reasons.push("the database does not answer".to_owned()),
    }
    if reasons.is_empty() {
        return (StatusCode::OK, Json(Ready { status: "ready".to_owned(), reasons }));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(Ready { status: "not_ready".to_owned(), reasons }))
}

/// Series for Prometheus, as text.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String)))]
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn metrics(State(api): State<Arc<Api>>) -> Response {
    crate::metrics::refresh();
    api.backend.refresh_metrics();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render())
        .into_response()
}

/// What the database answers; none where it fails or is slow.
async fn within<T>(asking: impl Future<Output = Result<T, cloudbox_store::Error>>) -> Option<T> {
    tokio::time::timeout(DATABASE_PATIENCE, asking).await.ok()?.ok()
}

/// Zero where the machine doesn't say.
fn memory() -> MemoryUse {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = |name: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes =
            found.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse().ok());
        kilobytes.unwrap_or(0_u64) << 10
    };
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_u64);
    MemoryUse { rss: pages * PAGE_BYTES, total: line("MemTotal"), available: line("MemAvailable") }
}

fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0.0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_tells_its_memory_and_load() {
        let memory = memory();
        assert!(memory.rss > 0 && memory.total > memory.rss && memory.available > 0);
        assert!(load().iter().all(|load| *load >= 0.0));
    }
}
