//! Why a call has no answer.

use cloudbox_types::{ErrorCode, Function};

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kind.
    pub code: ErrorCode,
    /// A sentence, which may quote the function's own.
    pub message: String,
    /// The stack of an exception.
    pub stack: Option<String>,
    /// Seconds after which another try makes sense.
    pub retry_after_s: Option<u32>,
}

impl Failure {
    /// A failure with a sentence and nothing else.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), stack: None, retry_after_s: None }
    }

    /// A fault of the service, whose inside is in its log alone.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalError, "The service failed; its log says why under this invocation's id")
    }

    pub(crate) fn disabled(function: &Function) -> Self {
        let name = &function.settings.name;
        Self::new(ErrorCode::Disabled, format!("Function {name} is switched off; set is_active to call it"))
    }

    pub(crate) fn not_deployed(function: &Function) -> Self {
        let name = &function.settings.name;
        Self::new(ErrorCode::NotDeployed, format!("Function {name} has no deployed version; deploy it first"))
    }

    pub(crate) fn overloaded(message: impl Into<String>, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(ErrorCode::Overloaded, message) }
    }
}
