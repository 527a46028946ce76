//! Host calls: what a running function may ask of the service, within bounds.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Calls of one exchange whose replies are not written yet. Shims hold further ones back; a sandbox that sends more
/// breaks the protocol.
pub const MAX_IN_FLIGHT: usize = 64;
/// Bytes of one call's arguments.
pub const MAX_ARGUMENT_BYTES: usize = 1 << 20;
/// Bytes of the arguments of all calls in flight; shims hold further ones back.
pub const MAX_IN_FLIGHT_BYTES: usize = 8 << 20;
/// Bytes of one call's result.
pub const MAX_REPLY_BYTES: usize = 4 << 20;
/// Calls that are carried out at the same time, so many results may be there at once; the others wait their turn.
pub const MAX_RUNNING: usize = 8;
/// Calls of one exchange, after which each is answered with an error.
pub const MAX_CALLS: u32 = 10_000;
/// The method that reads the next piece of a request's body; its result is bytes, and none at the end. Not counted.
pub const READ_BODY: &str = "body.read";
/// Bytes of a method's name.
pub const MAX_METHOD_BYTES: usize = 128;

/// Carries out what the functions of one exchange ask for. A call whose exchange ends is dropped half way.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Carries out one call. `method` is such as `db.findMany`, `arguments` is JSON as the sandbox wrote it, so not
    /// even that is certain; the result is JSON.
    ///
    /// # Errors
    /// What the function is told in place of a result.
    async fn call(&self, method: &str, arguments: Bytes) -> Result<Bytes, HostError>;
}

/// Why a host call has no result, in words for the function's author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct HostError {
    /// For programs, such as `UNKNOWN_METHOD`.
    pub code: String,
    /// A sentence.
    pub message: String,
}

impl HostError {
    /// An error with a code for programs and a sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    /// There is no such method.
    #[must_use]
    pub fn unknown_method(method: &str) -> Self {
        let shown: String = method.chars().take(MAX_METHOD_BYTES).collect();
        Self::new("UNKNOWN_METHOD", format!("there is no host call {shown:?}"))
    }
}

/// A host that knows no method.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

#[async_trait]
impl Host for NoHost {
    async fn call(&self, method: &str, _: Bytes) -> Result<Bytes, HostError> {
        Err(HostError::unknown_method(method))
    }
}
