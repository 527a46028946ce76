//! A request's body that has to come in time.
//!
//! Most bodies are there before anybody asks for them: they never see a timer.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::FutureExt as _;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body with the end of its time.
pub(super) struct Timed {
    body: Body,
    /// When all of it must be here.
    by: Instant,
    /// How long it may pause.
    pause: Duration,
    /// While it is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    pub(super) fn new(body: Body, time: Duration, pause: Duration) -> Self {
        Self { body, by: Instant::now() + time, pause, waiting: None }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame);
        }
        let until = self.by.min(Instant::now() + self.pause);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match waiting.poll_unpin(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(axum::Error::new(Error::from(ErrorKind::TimedOut))))),
            Poll::Pending => Poll::Pending,
        }
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
    use futures::StreamExt as _;
    use futures::stream;
    use http_body_util::BodyExt as _;
    use tokio::time::sleep;

    use super::*;

    /// Pieces with a second between each two.
    fn slow(pieces: u32) -> Body {
        Body::from_stream(stream::iter(0..pieces).then(|_| async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Error>("x")
        }))
    }

    async fn read(body: Body, time_s: u64, pause_s: u64) -> Option<usize> {
        let timed = Timed::new(body, Duration::from_secs(time_s), Duration::from_secs(pause_s));
        timed.collect().await.ok().map(|whole| whole.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_and_take_as_long_as_it_is_given() {
        assert_eq!(read(slow(5), 10, 2).await, Some(5));
        assert_eq!(read(slow(5), 3, 2).await, None, "all of it takes too long");
        assert_eq!(read(Body::from_stream(stream::pending::<Result<Bytes, Error>>()), 10, 2).await, None);
        assert_eq!(read(Body::from("all of it"), 0, 0).await, Some(9), "what is there is in time");
    }
}
