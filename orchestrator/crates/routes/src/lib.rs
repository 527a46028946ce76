//! Every route of the service, the native API's and the compatible ones, and the document that describes them.

mod openapi;
mod router;

pub use router::{Bounds, build, document};
