//! Packages: archives of strangers unpacked by strict rules, and archives of our own.
//!
//! A `.tgz` or `.zip` is read once, from its beginning to its end, in pieces of a few KiB, and refused at the first
//! thing that is not plainly a regular file or a folder of a fair size with a plain name. What is refused leaves nothing.

mod dockerignore;
mod error;
mod limits;
mod meter;
mod names;
mod pack;
mod tarball;
mod tree;
mod unpack;
mod zip;

pub use dockerignore::Dockerignore;
pub use error::{Error, Refused};
pub use limits::{Limits, Names};
pub use pack::pack;
pub use unpack::{Format, PREFIX, Unpacked, unpack};
