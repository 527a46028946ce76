//! What is kept of source and builds by its SHA-256: packages as they were uploaded, and the object store that all nodes
//! share.

mod digest;
mod error;
mod holds;
mod packages;
mod remote;

pub use digest::{is_digest, of_file};
pub use error::Error;
pub use holds::{Hold, Holds, Item, Kind, Ledger, Removal};
pub use packages::{PACKAGES, Package, Packages, Upload, format_of};
pub use remote::{Object, Place, Remote, Unfinished};
