//! Why a runtime can't serve.

use std::path::PathBuf;

/// A failure of the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A `runtime.toml` is wrong.
    #[error("runtime.toml{}: {why}", if language.is_empty() { String::new() } else { format!(" of {language}") })]
    Definition {
        /// Whose, where that could be read.
        language: String,
        /// What is wrong with which field.
        why: String,
    },
    /// No runtime of this name serves the language.
    #[error("runtime {requested:?} does not serve {language}; it must be one of {}", known.join(", "))]
    Unknown {
        /// As asked for.
        requested: String,
        /// The language of the source.
        language: String,
        /// Those that do.
        known: Vec<String>,
    },
    /// The runtime is known, but neither it nor one that may stand in is on this machine.
    #[error("{}", unavailable(requested, language, available, *is_strict))]
    Unavailable {
        /// As asked for.
        requested: String,
        /// The language of the source.
        language: String,
        /// Those of this language that are here.
        available: Vec<String>,
        /// Whether only the one asked for would have done.
        is_strict: bool,
    },
    /// No runtime has this name.
    #[error("there is no runtime {runtime:?}")]
    NoSuch {
        /// As asked for.
        runtime: String,
    },
    /// Its toolchain can't be fetched.
    #[error("{runtime} can't be installed: {why}")]
    NotFetchable {
        /// Which runtime's.
        runtime: String,
        /// Why not, and the remedy.
        why: String,
    },
    /// The client of a registry failed.
    #[error("{client} could not fetch the toolchain of {runtime}: {why}")]
    Fetch {
        /// Which runtime's.
        runtime: String,
        /// Which client.
        client: String,
        /// How it ended, with the end of what it printed.
        why: String,
    },
    /// A runtime can't be installed or removed while it is being installed.
    #[error("{runtime} is being installed; try again when that has ended, as its `state` will say")]
    Installing {
        /// Which runtime.
        runtime: String,
    },
    /// The language can't be run in an image.
    #[error(
        "{language} has no base images: its functions are compiled, and run without their toolchain. Install the \
         toolchain, or make an image with a program of its own"
    )]
    NotInImages {
        /// Which language.
        language: String,
    },
    /// An image can't be a runtime's toolchain.
    #[error("the image {image} can't be used: {why}")]
    Base {
        /// Its name.
        image: String,
        /// Why not.
        why: String,
    },
    /// What is to be removed was not installed by the service.
    #[error("{runtime} is this machine's own; only a runtime that was installed here can be removed")]
    Own {
        /// Which runtime.
        runtime: String,
    },
    /// What is to be removed is in use.
    #[error("{runtime} is in use; try again when its sandboxes are gone")]
    InUse {
        /// Which runtime.
        runtime: String,
    },
    /// A command of a toolchain failed.
    #[error("{program} failed while the bundle of {runtime} was made: {why}")]
    Command {
        /// Which runtime's.
        runtime: String,
        /// Which program.
        program: String,
        /// How it ended, with the end of what it printed.
        why: String,
    },
    /// A file operation failed.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `copying`.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// What a definition names is not there.
    #[error("the bundle of {runtime} lacks {}: {why}", path.display())]
    Missing {
        /// Which runtime's.
        runtime: String,
        /// What is missing.
        path: PathBuf,
        /// What it is for.
        why: &'static str,
    },
}

impl Error {
    /// For `map_err` on a file operation.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

fn unavailable(requested: &str, language: &str, available: &[String], is_strict: bool) -> String {
    let rule = if is_strict { "" } else { ", nor is a newer one" };
    let here = if available.is_empty() {
        format!("no runtime of {language} is")
    } else {
        format!("available: {}", available.join(", "))
    };
    format!("runtime {requested} is not on this machine{rule}; {here}")
}
