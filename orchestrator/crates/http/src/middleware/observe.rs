//! Counts requests and writes the access log: route and path, never a query, a header or a body.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

/// Counts down when the request ends, in whatever way.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!("cloudbox_http_requests_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("cloudbox_http_requests_in_flight").decrement(1.0);
    }
}

/// Around routing's result: the route is known here.
pub async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let _in_flight = InFlight::begin();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let path = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let response = next.run(request).await;
    let (status, elapsed) = (response.status(), began.elapsed());
    metrics::counter!("cloudbox_http_requests_total",
        "method" => known(&method), "route" => route.clone(), "status" => status.as_str().to_owned())
    .increment(1);
    metrics::histogram!("cloudbox_http_request_duration_seconds", "route" => route)
        .record(elapsed.as_secs_f64());
    let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
    if let Some(path) = path {
        tracing::debug!(http.method = %method, http.path = path, http.status = status.as_u16(), elapsed_ms, "answered");
    }
    response
}

/// A method that anybody can invent is no label.
const fn known(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::HEAD => "HEAD",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::PATCH => "PATCH",
        http::Method::DELETE => "DELETE",
        http::Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
