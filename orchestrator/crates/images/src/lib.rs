//! Images of others that functions run in: which may be used, where they come from, and what a Dockerfile may say.
//!
//! Whatever an image holds runs in the same sandboxes as all functions, so an image is no more than a stranger's code.
//! What is decided here is what happens before: which images may be named, whether one is fetched, and what is built.

mod absent;
pub mod context;
mod credentials;
pub mod dockerfile;
mod error;
mod images;
mod policy;
mod reference;
mod registry;

pub use absent::{AbsentImages, Origin};
pub use error::Error;
pub use images::{Built, Images};
pub use policy::Policy;
pub use reference::Reference;
