//! Counts requests and writes the access log: route and path, never a query, a header or a body.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::Method;
use metrics::{Counter, Gauge, Histogram};
use parking_lot::RwLock;
use tokio::time::Instant;

/// The series of all requests. Each is looked up by its labels once: that costs more than to count.
pub(super) struct Series {
    in_flight: Gauge,
    routes: RwLock<HashMap<Box<str>, Arc<OfRoute>>>,
}

/// The series of one route.
struct OfRoute {
    duration: Histogram,
    answered: RwLock<HashMap<(&'static str, u16), Counter>>,
}

impl Series {
    pub(super) fn new() -> Self {
        let in_flight = metrics::gauge!("cloudbox_http_requests_in_flight");
        Self { in_flight, routes: RwLock::default() }
    }

    /// The routes are the product's: there are not many.
    fn of(&self, route: &str) -> Arc<OfRoute> {
        if let Some(known) = self.routes.read().get(route) {
            return Arc::clone(known);
        }
        let duration =
            metrics::histogram!("cloudbox_http_request_duration_seconds", "route" => route.to_owned());
        let made = Arc::new(OfRoute { duration, answered: RwLock::default() });
        Arc::clone(self.routes.write().entry(route.into()).or_insert(made))
    }
}

impl OfRoute {
    fn count(&self, route: &str, method: &'static str, status: u16) {
        if let Some(known) = self.answered.read().get(&(method, status)) {
            return known.increment(1);
        }
        let counter = metrics::counter!("cloudbox_http_requests_total",
            "method" => method, "route" => route.to_owned(), "status" => status.to_string());
        counter.increment(1);
        self.answered.write().insert((method, status), counter);
    }
}

/// A request that is being answered.
pub(super) struct Seen {
    began: Instant,
    route: Option<MatchedPath>,
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
    /// The route is known here.
    pub(super) fn begin(series: &Series, request: &Request) -> Self {
        series.in_flight.increment(1.0);
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self {
            began: Instant::now(),
            series: series.of(name(route.as_ref())),
            route,
            method: request.method().clone(),
            path: tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned()),
            _in_flight: InFlight(series.in_flight.clone()),
        }
    }

    pub(super) fn end(self, response: &Response) {
        let (status, elapsed): (_, Duration) = (response.status().as_u16(), self.began.elapsed());
        self.series.count(name(self.route.as_ref()), known(&self.method), status);
        self.series.duration.record(elapsed.as_secs_f64());
        if let Some(path) = self.path {
            let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
            tracing::debug!(http.method = %self.method, http.path = path, http.status = status, elapsed_ms, "answered");
        }
    }
}

fn name(route: Option<&MatchedPath>) -> &str {
    route.map_or("none", MatchedPath::as_str)
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
