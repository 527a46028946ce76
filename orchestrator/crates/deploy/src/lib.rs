//! From source to a version that runs: validate, install, build, register, health check.
//!
//! A deployment is one run of the five [`stages`], one file each with `run` and `undo`. Nothing of a user's code runs
//! outside of a sandbox, and what a build leaves is read as what a stranger left: regular files only, bounded. The
//! artefact goes to the code store under its own digest; only a version that came up in a sandbox becomes active.

mod build_folder;
mod build_sandbox;
mod deployer;
pub mod error;
mod garbage;
mod inline;
mod launch;
mod ledger;
mod patience;
mod pipeline;
mod progress;
mod queue;
mod settings;
pub mod stages;
mod suspects;

pub use deployer::{Deployer, Outcome};
pub use error::{Error, StageError};
pub use garbage::{Fate, Found, Order, Report};
pub use inline::{Built, Refused};
pub use launch::{MAX_FILE_BYTES, launch_of, open_egress};
pub use queue::Full;
pub use settings::Settings;
pub use suspects::Place;
