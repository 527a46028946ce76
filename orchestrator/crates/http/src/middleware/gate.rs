//! Every request gets its place, or is refused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::error::ApiError;
use crate::place::{Gate, Place};

/// Paths that whoever looks after the service needs most when it is full.
const ALWAYS_OPEN: [&str; 4] = ["/health", "/health/live", "/health/ready", "/metrics"];

/// Whether requests for this path need no place.
pub(super) fn is_always_open(path: &str) -> bool {
    ALWAYS_OPEN.contains(&path)
}

/// Gives a request its place; whoever reads its body takes it.
pub(super) fn enter(gate: &Arc<Gate>, request: &mut Request) -> Result<Place, ApiError> {
    let place = Place::new(Arc::clone(gate), request.body().size_hint().lower());
    if request.body().is_end_stream() {
        place.enter()?;
    }
    request.extensions_mut().insert(place.clone());
    Ok(place)
}

/// The answer, with the place of its request until its body is gone.
pub(super) fn kept(response: Response, place: Place) -> Response {
    response.map(|body| Body::new(Kept { body, _place: place }))
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
    use std::time::Duration;

    use axum::Router;
    use axum::routing::any;
    use http::StatusCode;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt as _;

    use super::super::{Around, Bounds};
    use super::*;
    use crate::extract::Body as Read;

    fn router(requests: usize, body_bytes_held: usize, body_bytes: usize) -> Router {
        let handler = any(|body: Result<Read, ApiError>| async { body.map(|Read(bytes)| bytes) });
        let router = Router::new().route("/", handler.clone()).route("/health", handler);
        let time = Duration::from_secs(60);
        let bounds = Bounds { requests, body_bytes_held, body_bytes, body_time: time, body_pause: time };
        router.layer(Around::new(bounds, CancellationToken::new()))
    }

    async fn ask(router: &Router, path: &str, body: &'static str) -> Response {
        let request = Request::builder().uri(path).body(Body::from(body)).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_answer_is_gone() {
        let router = router(1, 100, 50);
        let first = ask(&router, "/", "x").await;
        assert_eq!((first.status(), first.body().size_hint().exact()), (StatusCode::OK, Some(1)));
        for body in ["", "x"] {
            let second = ask(&router, "/", body).await;
            assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(second.headers()["retry-after"], "1");
        }
        assert_eq!(ask(&router, "/health", "").await.status(), StatusCode::OK);
        drop(first);
        assert_eq!(ask(&router, "/", "x").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn bytes_are_held_with_their_request() {
        let router = router(10, 5, 5);
        let first = ask(&router, "/", "1234").await;
        assert_eq!(ask(&router, "/", "12").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(first);
        assert_eq!(ask(&router, "/", "12345").await.status(), StatusCode::OK);
        assert_eq!(ask(&router, "/", "123456").await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
