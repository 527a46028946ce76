//! How much the service takes on at once: requests, and bytes of their bodies. What is beyond is refused at once.
//!
//! A request counts from when its body is here, so that clients who send slowly take no place of those who don't.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cloudbox_types::ErrorCode;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Seconds after which somebody who was refused may find a place.
const RETRY_AFTER_S: u32 = 1;
/// Paths that whoever looks after the service needs most when it is full.
const ALWAYS_OPEN: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

/// The limits, and what is taken of them.
#[derive(Debug)]
pub struct Gate {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max_body_bytes: usize,
}

impl Gate {
    /// A gate for so many requests, so many bytes of bodies, and so many of one body.
    #[must_use]
    pub fn new(requests: usize, bytes: usize, max_body_bytes: usize) -> Arc<Self> {
        let [requests, bytes] =
            [requests, bytes].map(|count| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))));
        Arc::new(Self { requests, bytes, max_body_bytes })
    }
}

/// What one request has of a gate; it is given back when the answer is sent.
#[derive(Clone, Debug)]
pub struct Place {
    gate: Arc<Gate>,
    /// Bytes of its body, where they are told before it comes.
    declared: u64,
    taken: Arc<Mutex<[Option<OwnedSemaphorePermit>; 2]>>,
}

impl Place {
    fn new(gate: Arc<Gate>, declared: u64) -> Self {
        Self { gate, declared, taken: Arc::default() }
    }

    /// Whether the body is known to be too long before any of it has come.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.declared > self.gate.max_body_bytes as u64
    }

    /// Bytes of the body, as far as they are told before it comes.
    #[must_use]
    pub const fn declared(&self) -> u64 {
        self.declared
    }

    /// A piece of the body came.
    ///
    /// # Errors
    /// `OVERLOADED`: too many bytes of bodies are held.
    pub fn hold(&self, bytes: usize) -> Result<(), ApiError> {
        self.take(1, &self.gate.bytes, u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// The body is whole: the request begins, if it hasn't.
    ///
    /// # Errors
    /// `OVERLOADED`: too many requests are under way.
    pub fn enter(&self) -> Result<(), ApiError> {
        if self.taken.lock()[0].is_some() {
            return Ok(());
        }
        self.take(0, &self.gate.requests, 1)
    }

    fn take(&self, which: usize, of: &Arc<Semaphore>, count: u32) -> Result<(), ApiError> {
        let permit = Arc::clone(of).try_acquire_many_owned(count).map_err(|_| full())?;
        match &mut self.taken.lock()[which] {
            Some(taken) => taken.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

fn full() -> ApiError {
    let mut error = ApiError::new(ErrorCode::Overloaded, "the service has too many requests under way");
    error.retry_after_s = Some(RETRY_AFTER_S);
    error
}

/// Gives each request its place, and takes it back when the answer's body is gone.
pub async fn gate(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if ALWAYS_OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let place = Place::new(gate, request.body().size_hint().lower());
    if request.body().is_end_stream()
        && let Err(error) = place.enter()
    {
        return error.into_response();
    }
    request.extensions_mut().insert(place.clone());
    next.run(request).await.map(|body| Body::new(Kept { body, _place: place }))
}

/// An answer's body, with the place of its request.
struct Kept {
    body: Body,
    _place: Place,
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::any;
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;
    use crate::extract::Body as Read;

    fn router(gate: &Arc<Gate>) -> Router {
        let handler = any(|body: Result<Read, ApiError>| async { body.map(|Read(bytes)| bytes) });
        let router = Router::new().route("/", handler.clone()).route("/health", handler);
        router.layer(from_fn_with_state(Arc::clone(gate), super::gate))
    }

    async fn ask(gate: &Arc<Gate>, path: &str, body: &'static str) -> Response {
        let request = Request::builder().uri(path).body(Body::from(body)).unwrap();
        router(gate).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_answer_is_gone() {
        let gate = Gate::new(1, 100, 50);
        let first = ask(&gate, "/", "x").await;
        assert_eq!((first.status(), first.body().size_hint().exact()), (StatusCode::OK, Some(1)));
        for body in ["", "x"] {
            let second = ask(&gate, "/", body).await;
            assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(second.headers()["retry-after"], "1");
        }
        assert_eq!(ask(&gate, "/health", "").await.status(), StatusCode::OK);
        drop(first);
        assert_eq!(ask(&gate, "/", "x").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn bytes_are_held_with_their_request() {
        let gate = Gate::new(10, 5, 5);
        let first = ask(&gate, "/", "1234").await;
        assert_eq!(ask(&gate, "/", "12").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert_eq!(ask(&gate, "/", "12345").await.status(), StatusCode::OK);
        assert_eq!(ask(&gate, "/", "123456").await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
