//! Counts requests and writes the access log: route and path, never a query, a header or a body.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::Method;
use metrics::{Counter, Gauge, Histogram};
use parking_lot::RwLock;
use tokio::time::Instant;

/// The series of one route. Each is looked up by its labels once: that costs more than to count.
pub(super) struct OfRoute {
    name: Box<str>,
    duration: Histogram,
    answered: RwLock<HashMap<(&'static str, u16), Counter>>,
}

impl OfRoute {
    fn new(name: &str) -> Self {
        let duration =
            metrics::histogram!("cloudbox_http_request_duration_seconds", "route" => name.to_owned());
        Self { name: name.into(), duration, answered: RwLock::default() }
    }

    fn count(&self, method: &'static str, status: u16) {
        if let Some(known) = self.answered.read().get(&(method, status)) {
            return known.increment(1);
        }
        let counter = metrics::counter!("cloudbox_http_requests_total",
            "method" => method, "route" => self.name.to_string(), "status" => status.to_string());
        counter.increment(1);
        self.answered.write().insert((method, status), counter);
    }
}

/// A request that is being answered.
pub(super) struct Seen {
    began: Instant,
    series: Arc<OfRoute>,
    method: Method,
    /// Where it is going to be written.
    path: Option<String>,
    _in_flight: InFlight,
}

/// Counts down when the request ends, in whatever way.
struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Seen {
    /// `series` is of the route, which is known here.
    pub(super) fn begin(in_flight: &Gauge, series: &OnceLock<Arc<OfRoute>>, request: &Request) -> Self {
        in_flight.increment(1.0);
        let route = || request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        let series = series.get_or_init(|| Arc::new(OfRoute::new(route())));
        Self {
            began: Instant::now(),
            series: Arc::clone(series),
            method: request.method().clone(),
            path: tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned()),
            _in_flight: InFlight(in_flight.clone()),
        }
    }

    pub(super) fn end(self, response: &Response) {
        let (status, elapsed) = (response.status().as_u16(), self.began.elapsed());
        self.series.count(known(&self.method), status);
        self.series.duration.record(elapsed.as_secs_f64());
        if let Some(path) = self.path {
            let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
            tracing::debug!(http.method = %self.method, http.path = path, http.status = status, elapsed_ms, "answered");
        }
    }
}

/// A method that anybody can invent is no label.
const fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
