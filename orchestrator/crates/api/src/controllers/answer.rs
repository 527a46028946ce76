//! What several handlers answer with: streams of events, and the headers of a call.

use std::convert::Infallible;
use std::future::Future;

use axum::Json;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::execution::start_word;
use cloudbox_dispatch::Outcome;
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::mpsc;

/// The header with a call's id.
pub const ID_HEADER: &str = "x-cloudbox-invocation-id";
/// Events that wait for a slow reader.
const EVENTS_AHEAD: usize = 16;

/// The end of a stream that a handler writes to.
pub struct EventSender(mpsc::Sender<Event>);

impl EventSender {
    /// Sends one event with an id, from which a reader may go on; false when its reader has gone.
    pub async fn send_as(&self, id: &str, name: &str, data: &impl Serialize) -> bool {
        match Event::default().id(id).event(name).json_data(data) {
            Ok(event) => self.0.send(event).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Sends one event; false when its reader has gone.
    pub async fn send(&self, name: &str, data: &impl Serialize) -> bool {
        match Event::default().event(name).json_data(data) {
            Ok(event) => self.0.send(event).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// A stream of what `produce` sends; it ends with it, and is dropped with its reader.
pub fn async_stream<F: Future<Output = ()> + Send>(
    produce: impl FnOnce(EventSender) -> F,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
    let producing = stream::once(produce(EventSender(sender))).filter_map(|()| async { None });
    let received = tokio_stream::wrappers::ReceiverStream::new(receiver);
    stream::select(producing, received).map(Ok)
}

/// Something that was made: 201, with its path in `Location`.
pub struct Made<T> {
    /// Where it is read.
    pub path: String,
    /// What it is.
    pub made: T,
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, self.path)];
        (StatusCode::CREATED, location, Json(self.made)).into_response()
    }
}

/// The headers that every answer to a call has.
pub fn call_headers(outcome: &Outcome, traceparent: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    put_call_headers(outcome, traceparent, &mut headers);
    headers
}

/// Adds them.
pub fn put_call_headers(outcome: &Outcome, traceparent: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put(ID_HEADER, outcome.invocation_id.to_string());
    put("x-cloudbox-execution-time", format!("{:.3}", outcome.execution_time_ms));
    put("x-cloudbox-version", outcome.version.to_string());
    headers.insert("x-cloudbox-start", HeaderValue::from_static(start_word(outcome.is_warm)));
    if let Some(traceparent) = traceparent {
        headers.insert(cloudbox_http::trace::NAME, traceparent.clone());
    }
}
