//! What happens around every request: an id, a span, counts, and one shape for errors. No business logic.

mod closing;
mod envelope;
mod gate;
mod observe;

pub use closing::refuse_when_closing;
pub use envelope::{RequestId, envelope};
pub use gate::gate;
pub use observe::observe;
