//! Why a sandbox could not be made, changed or asked.

use std::path::PathBuf;

/// A failure of the host's side; what the sandboxed code does wrong is a [`crate::SandboxFault`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver can't work on this machine at all.
    #[error("the {driver} driver can't work here: {reason}")]
    Unavailable {
        /// `docker` or `native`.
        driver: &'static str,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// The driver would work, but not hold: mandatory layers of the isolation are missing.
    #[error(
        "the {driver} driver refuses to work here, since mandatory layers of the isolation are missing: {missing}. \
         `cloudbox doctor` lists all of them. The setting allow_weak_sandbox starts all the same; then hostile code \
         may harm this machine"
    )]
    Weak {
        /// `docker` or `native`.
        driver: &'static str,
        /// Each layer with what is wrong and the remedy.
        missing: String,
    },
    /// A Docker daemon is there, but hangs.
    #[error(
        "a Docker daemon listens at {socket}, but does not answer within {seconds} s. Restart it, or choose the native \
         driver"
    )]
    Silent {
        /// Where it listens.
        socket: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A sandbox is to be made from an image, and the driver knows none.
    #[error(
        "images can't be used with the {driver} driver: start the service with `--sandbox docker`, or choose a runtime \
         of the catalogue"
    )]
    NoImages {
        /// Such as `native`.
        driver: &'static str,
    },
    /// An image can't be used.
    #[error("the image {image} can't be used: {why}")]
    Image {
        /// Its name or id.
        image: String,
        /// Why not, and the remedy where there is one.
        why: String,
    },
    /// A step of the set-up failed inside the sandbox.
    #[error("setting the sandbox up failed at {step}: {message}")]
    Setup {
        /// Which step.
        step: String,
        /// The system's message.
        message: String,
    },
    /// The init or the runtime did not come up in time.
    #[error("the sandbox did not come up within {seconds} s")]
    StartTimeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The init went away.
    #[error("the sandbox ended")]
    Gone,
    /// A file operation on the host failed.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `creating`.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The Docker daemon refused, or can't be reached.
    #[error("Docker: {what}")]
    Docker {
        /// What was asked of it.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: bollard::errors::Error,
    },
    /// A cgroup could not be made, changed or read.
    #[error(transparent)]
    Cgroup(#[from] cloudbox_cgroup::Error),
}

impl Error {
    /// For `map_err` on a file operation.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
