//! The public error codes, each with its HTTP status and its page in `docs/errors/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::function::UnknownWord;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)*) => {
        /// What kind of failure an answer tells of; the word that programs compare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word of the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// A field is missing, of the wrong type or out of range.
    ValidationError = "VALIDATION_ERROR", 400;
    /// No credential, or not a valid one.
    Unauthorized = "UNAUTHORIZED", 401;
    /// A valid credential without the right.
    Forbidden = "FORBIDDEN", 403;
    /// Nothing there, or nothing that this caller may see.
    NotFound = "NOT_FOUND", 404;
    /// The path is there, but not for this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    /// The name is taken, or the state doesn't allow it.
    Conflict = "CONFLICT", 409;
    /// Invoked before a deploy has succeeded.
    NotDeployed = "NOT_DEPLOYED", 409;
    /// The function was switched off.
    Disabled = "DISABLED", 409;
    /// The request's body is over the limit.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413;
    /// A build failed.
    DeploymentError = "DEPLOYMENT_ERROR", 422;
    /// Too many requests of this caller.
    RateLimited = "RATE_LIMITED", 429;
    /// The handler threw, or its process ended.
    RuntimeError = "RUNTIME_ERROR", 500;
    /// The memory limit was reached.
    OutOfMemory = "OUT_OF_MEMORY", 500;
    /// A fault of the service itself.
    InternalError = "INTERNAL_ERROR", 500;
    /// The handler's result is over the limit.
    ResponseTooLarge = "RESPONSE_TOO_LARGE", 502;
    /// The handler's result can't be represented.
    InvalidResponse = "INVALID_RESPONSE", 502;
    /// The queue is full or the wait was too long.
    Overloaded = "OVERLOADED", 503;
    /// The handler took too long.
    Timeout = "TIMEOUT", 504;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}
