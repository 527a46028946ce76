//! Runtimes as data: one root file system per runtime, made from the toolchains of this machine.
//!
//! A runtime is a `runtime.toml` and the files beside it ([`definition`]); nothing here asks which language it is. The
//! [`Catalogue`] knows every runtime that may be asked for and finds the toolchains that are here; a [`Bundle`] is the
//! read-only root that both drivers run functions in, made once with the toolchain, the libraries that it needs, and
//! our init and shim. No registry and no network.

mod base;
mod base_image;
pub mod bundle;
pub mod catalogue;
mod command;
pub mod definition;
pub mod digest;
pub mod error;
mod fetch;
mod image;
mod install;
mod libraries;
mod locked;
mod make;
mod over;
mod runtime_info;
mod shelf;
mod slot;
mod sources;
pub mod template;
pub mod toolchain;
mod tree;

pub use base_image::BaseInstallation;
pub use bundle::Bundle;
pub use catalogue::{Catalogue, Resolved, Settings};
pub use definition::Definition;
pub use error::Error;
pub use fetch::Toolchains;
pub use install::Installation;
pub use runtime_info::{RuntimeInfo, State};
pub use toolchain::SearchPlaces;
