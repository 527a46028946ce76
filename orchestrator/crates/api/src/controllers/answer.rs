//! What several handlers answer with: streams of events, and the headers of a call.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::Future;

use axum::Json;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use cloudbox_api_types::execution::{milliseconds, start_word};
use cloudbox_dispatch::Outcome;
use cloudbox_types::Timing;
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

/// Adds the headers that every answer to a call has.
pub fn put_call_headers(outcome: &Outcome, traceparent: Option<&HeaderValue>, headers: &mut HeaderMap) {
    // As constants they are checked when this is compiled, not for each answer.
    const ID: HeaderName = HeaderName::from_static(ID_HEADER);
    const EXECUTION_TIME: HeaderName = HeaderName::from_static("x-cloudbox-execution-time");
    const VERSION: HeaderName = HeaderName::from_static("x-cloudbox-version");
    const START: HeaderName = HeaderName::from_static("x-cloudbox-start");
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    put(ID, outcome.invocation_id.to_string());
    put(EXECUTION_TIME, format!("{:.3}", outcome.execution_time_ms));
    headers.insert(VERSION, outcome.version.into());
    headers.insert(START, HeaderValue::from_static(start_word(outcome.is_warm)));
    if let Some(traceparent) = traceparent {
        headers.insert(cloudbox_http::trace::NAME, traceparent.clone());
    }
}

/// Adds where a call's time went: `Server-Timing: queue;dur=0.02, lease;dur=0.1, …` in milliseconds, besides what a
/// function says there of its own. For callers with a credential alone, since it tells how busy the service is.
pub fn add_timing(headers: &mut HeaderMap, timing: Timing) {
    let mut text = String::with_capacity(96);
    for (name, micros) in timing.named() {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing into a text can't fail.
        let _ = write!(text, "{comma}{name};dur={}", milliseconds(micros));
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(HeaderName::from_static("server-timing"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timing_is_milliseconds_with_fractions() {
        let mut headers = HeaderMap::new();
        headers.append("server-timing", HeaderValue::from_static("db;dur=5"));
        add_timing(&mut headers, Timing::from([20, 100, 0, 1200, 1500]));
        let all: Vec<_> = headers.get_all("server-timing").iter().collect();
        let ours = "queue;dur=0.02, lease;dur=0.1, load;dur=0, exec;dur=1.2, total;dur=1.5";
        assert_eq!(all, ["db;dur=5", ours]);
    }
}
