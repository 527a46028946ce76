//! Bodies of requests that go to their function while they arrive: the function asks for each piece, so what it doesn't read
//! fills no memory and keeps nobody waiting but its sender.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::HostError;
use cloudbox_types::ErrorCode;
use parking_lot::Mutex;

use crate::failure::Failure;

/// Bytes of one piece, at most.
const MAX_PIECE_BYTES: usize = 256 << 10;

/// Where the pieces of a body come from.
#[async_trait]
pub trait Source: Send + 'static {
    /// The next piece; none at the end. It may be dropped and called again.
    ///
    /// # Errors
    /// The rest can't be had.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure>;
}

/// A body on its way.
pub struct Upload {
    reading: tokio::sync::Mutex<Reading>,
    is_whole: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

struct Reading {
    source: Box<dyn Source>,
    /// What has come and was not asked for yet.
    rest: Bytes,
    /// Bytes that may still come.
    left: u64,
}

impl Upload {
    /// A body of at most `limit` bytes.
    #[must_use]
    pub fn new(source: Box<dyn Source>, limit: u64) -> Self {
        let reading = Reading { source, rest: Bytes::new(), left: limit };
        let reading = tokio::sync::Mutex::new(reading);
        Self { reading, is_whole: AtomicBool::new(false), failure: Mutex::default() }
    }

    /// The next piece; an empty one at the end.
    pub(crate) async fn read(&self) -> Result<Bytes, HostError> {
        let mut reading = self.reading.lock().await;
        let earlier = self.failure();
        let read = match earlier {
            Some(failure) => Err(failure),
            None => reading.next().await,
        };
        if read.as_ref().is_ok_and(Bytes::is_empty) {
            self.is_whole.store(true, Ordering::Relaxed);
        }
        read.map_err(|failure| {
            let error = HostError::new(failure.code.as_str(), &failure.message);
            *self.failure.lock() = Some(failure);
            error
        })
    }

    /// Whether it was read to its end. Where it wasn't, no other request can follow on its connection.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Relaxed)
    }

    /// Why the rest of it could not be had.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().clone()
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Bytes, Failure> {
        while self.rest.is_empty() {
            let Some(piece) = self.source.next().await? else { return Ok(Bytes::new()) };
            let Some(left) = self.left.checked_sub(piece.len() as u64) else {
                let message = "the request's body is over the limit (limits.max_stream_bytes)";
                return Err(Failure::new(ErrorCode::PayloadTooLarge, message));
            };
            self.left = left;
            self.rest = piece;
        }
        let len = self.rest.len().min(MAX_PIECE_BYTES);
        Ok(self.rest.split_to(len))
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("failure", &self.failure).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<Result<Option<Bytes>, Failure>>);

    #[async_trait]
    impl Source for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            self.0.pop().unwrap_or(Ok(None))
        }
    }

    fn upload(limit: u64, pieces: Vec<Result<Option<Bytes>, Failure>>) -> Upload {
        Upload::new(Box::new(Pieces(pieces.into_iter().rev().collect())), limit)
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_end() {
        let long = Bytes::from(vec![7; MAX_PIECE_BYTES + 1]);
        let upload = upload(1 << 20, vec![Ok(Some(Bytes::new())), Ok(Some(long)), Ok(Some("x".into()))]);
        assert_eq!(upload.read().await.unwrap().len(), MAX_PIECE_BYTES);
        assert_eq!(upload.read().await.unwrap().len(), 1);
        assert_eq!(upload.read().await.unwrap(), "x");
        assert!(!upload.is_whole(), "more may come");
        for _ in 0..2 {
            assert_eq!(upload.read().await.unwrap(), "");
        }
        assert!(upload.is_whole() && upload.failure().is_none());
    }

    #[tokio::test]
    async fn what_is_too_long_stays_so() {
        let upload = upload(3, vec![Ok(Some("ab".into())), Ok(Some("cd".into())), Ok(Some("e".into()))]);
        assert_eq!(upload.read().await.unwrap(), "ab");
        for _ in 0..2 {
            assert_eq!(upload.read().await.unwrap_err().code, "PAYLOAD_TOO_LARGE");
        }
        assert_eq!(upload.failure().unwrap().code, ErrorCode::PayloadTooLarge);
    }
}
