//! How much the service takes on at once: requests, and bytes of their bodies. What is beyond is refused at once.
//!
//! A request counts from when its body is here, so that clients who send slowly take no place of those who don't.

use std::sync::Arc;

use cloudbox_types::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Seconds after which somebody who was refused may find a place.
const RETRY_AFTER_S: u32 = 1;

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
    /// A place at a gate, with nothing taken yet.
    #[must_use]
    pub fn new(gate: Arc<Gate>, declared: u64) -> Self {
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
