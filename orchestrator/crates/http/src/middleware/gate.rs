//! Every request gets its place, or is refused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::place::{Gate, Place};

/// Paths that whoever looks after the service needs most when it is full.
const ALWAYS_OPEN: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

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
    use crate::error::ApiError;
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
