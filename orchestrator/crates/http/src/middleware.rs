//! What happens around every request: an id, a span, counts, a place, and one shape for errors. No business logic.
//!
//! It is one layer: each layer around a router costs every request a copy of all that is below it, and two boxes.

mod envelope;
mod gate;
mod observe;
mod timed;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::Body as _;
use metrics::Gauge;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::error::ApiError;
use crate::place::{Gate, Place};
pub use envelope::RequestId;
use observe::{OfRoute, Seen};
use timed::Timed;

/// What bounds requests before a handler sees them.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests at once, counted from when their bodies are here.
    pub requests: usize,
    /// Bytes of requests' bodies that are held at once.
    pub body_bytes_held: usize,
    /// Bytes of one request's body, where it is held.
    pub body_bytes: usize,
    /// How long a request's body may take.
    pub body_time: Duration,
    /// How long a request's body may pause.
    pub body_pause: Duration,
}

/// The layer.
#[derive(Clone)]
pub struct Around(Arc<Shared>);

struct Shared {
    bounds: Bounds,
    gate: Arc<Gate>,
    in_flight: Gauge,
    closing: CancellationToken,
}

impl Around {
    /// A layer that refuses everything but the question for the service's health once `closing` is cancelled: what was
    /// accepted is answered, nothing new is begun.
    #[must_use]
    pub fn new(bounds: Bounds, closing: CancellationToken) -> Self {
        let gate = Gate::new(bounds.requests, bounds.body_bytes_held, bounds.body_bytes);
        let in_flight = metrics::gauge!("cloudbox_http_requests_in_flight");
        Self(Arc::new(Shared { bounds, gate, in_flight, closing }))
    }
}

impl<S> Layer<S> for Around {
    type Service = Surrounded<S>;

    fn layer(&self, inner: S) -> Surrounded<S> {
        Surrounded { inner, shared: Arc::clone(&self.0), series: Arc::default() }
    }
}

/// A route with the layer around it.
#[derive(Clone)]
pub struct Surrounded<S> {
    inner: S,
    shared: Arc<Shared>,
    /// The route's, from its first request on.
    series: Arc<OnceLock<Arc<OfRoute>>>,
}

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = RequestId::of(&request);
        request.extensions_mut().insert(id.clone());
        let span = tracing::info_span!("request", request.id = id.as_str());
        let seen = Seen::begin(&self.shared.in_flight, &self.series, &request);
        let answering = self.shared.admit(&mut request).map(|place| {
            let request = self.shared.bounded(request);
            (self.inner.call(request), place)
        });
        let answered = async move {
            let (answering, place) = match answering {
                Ok(answering) => answering,
                Err(refused) => return refused.into_response(),
            };
            let response = AssertUnwindSafe(answering).catch_unwind().await;
            let Ok(response) = response.unwrap_or_else(|panic| Ok(envelope::of_panic(panic.as_ref())));
            match place {
                Some(place) => gate::kept(response, place),
                None => response,
            }
        };
        let surrounded = async move {
            let mut response = answered.await;
            seen.end(&response);
            envelope::close(&mut response, id);
            Ok(response)
        };
        surrounded.instrument(span).boxed()
    }
}

impl Shared {
    /// The request's place; none for one that needs none.
    fn admit(&self, request: &mut Request) -> Result<Option<Place>, ApiError> {
        let is_open = gate::is_always_open(request.uri().path());
        if self.closing.is_cancelled() && !is_open {
            return Err(ApiError::closing());
        }
        if is_open { Ok(None) } else { gate::enter(&self.gate, request).map(Some) }
    }

    /// The request, its body bounded in size and time.
    fn bounded(&self, mut request: Request) -> Request {
        let Bounds { body_bytes, body_time, body_pause, .. } = self.bounds;
        DefaultBodyLimit::max(body_bytes).apply(&mut request);
        if request.body().is_end_stream() {
            return request;
        }
        request.map(|body| Body::new(Timed::new(body, body_time, body_pause)))
    }
}
