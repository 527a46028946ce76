//! From a call to its record: the functions in memory, the one way to run them, and what is kept of it.

pub mod json;
pub mod recorder;
pub mod table;

mod call;
mod dispatcher;
mod documents;
mod failure;
mod inline;
mod services;
mod settle;
mod share;
mod timing;
mod upload;

pub use call::{Call, Outcome, Success};
pub use cloudbox_deploy::Refused;
pub use dispatcher::{Dispatcher, Settings, TargetError};
pub use documents::Documents;
pub use failure::Failure;
pub use inline::Inline;
pub use services::{CallContext, HostCalls, Services};
pub use share::{Share, Shares};
pub use upload::{Source, Upload};
