//! Why an archive was not unpacked.

use std::path::{Path, PathBuf};

/// Unpacking ended without a folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive's fault, as a sentence for who made it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file operation of this machine failed.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried, such as `writing`.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err` on a file operation.
    pub(crate) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// What is wrong with an archive. Names of entries are quoted, cut, and free of control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither of the two formats.
    #[error("the package is neither a .tgz nor a .zip: its first bytes are of neither")]
    Format,
    /// Too long before it is unpacked.
    #[error("the package has {bytes} bytes; the limit is {limit}")]
    ArchiveBytes {
        /// Bytes that it has.
        bytes: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// Too long when it is unpacked.
    #[error(
        "the package has more than {limit} bytes when it is unpacked; leave out what the function doesn't need"
    )]
    Bytes {
        /// Bytes that it may have.
        limit: u64,
    },
    /// Compressed as no real files are.
    #[error("the package is more than {ratio} times as long when it is unpacked, as no real files are")]
    Ratio {
        /// The limit.
        ratio: u64,
    },
    /// Too many files and folders.
    #[error("the package has more than {limit} files and folders")]
    Entries {
        /// How many it may have.
        limit: usize,
    },
    /// Folders too deep.
    #[error("{name} is more than {limit} folders deep")]
    Depth {
        /// Which entry.
        name: String,
        /// How deep it may be.
        limit: usize,
    },
    /// A path too long.
    #[error("the path {name} has more than {limit} bytes")]
    PathBytes {
        /// Its beginning.
        name: String,
        /// Bytes that it may have.
        limit: usize,
    },
    /// A header that is an entry of its own is too long.
    #[error("a name or an extended header of the package has more than {limit} bytes")]
    HeaderBytes {
        /// Bytes that it may have.
        limit: u64,
    },
    /// A link, device or the like.
    #[error("{name} is {kind}; a package holds regular files and folders only")]
    Kind {
        /// Which entry.
        name: String,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A name that no entry may have.
    #[error("the name {name} {why}")]
    Name {
        /// Which.
        name: String,
        /// What is wrong with it, as the rest of a sentence.
        why: &'static str,
    },
    /// The same path twice.
    #[error("{name} is in the package twice")]
    Twice {
        /// Which.
        name: String,
    },
    /// Two paths that are one where case doesn't count.
    #[error("{name} and {other} differ in upper and lower case only")]
    Case {
        /// The later one.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// A file in the place of a folder, or the other way around.
    #[error("{name} is a file and a folder at once")]
    FileAndFolder {
        /// Which.
        name: String,
    },
    /// Not whole, or not what the format says.
    #[error("the package is broken: {why}")]
    Broken {
        /// How it is broken.
        why: String,
    },
    /// A content that needs a password.
    #[error("{name} is encrypted")]
    Encrypted {
        /// Which entry.
        name: String,
    },
    /// A compression that is not taken.
    #[error("{name} is compressed by method {method}; a zip's files may be stored or deflated")]
    Method {
        /// Which entry.
        name: String,
        /// The format's number of the method.
        method: u16,
    },
    /// The two places of a zip that describe an entry don't agree.
    #[error("the zip describes {name} in two ways: its {field} differs")]
    TwoWays {
        /// Which entry.
        name: String,
        /// What differs.
        field: &'static str,
    },
    /// The form for archives beyond 4 GiB, which says everything a second time.
    #[error("the zip has records of zip64, which a package of this size doesn't need; pack it without them")]
    Zip64,
    /// No file at all.
    #[error("the package holds no file")]
    Empty,
}

impl Refused {
    pub(crate) fn broken(why: impl Into<String>) -> Self {
        Self::Broken { why: why.into() }
    }
}

/// A name as it is shown: quoted, with control characters escaped, at most 120 characters of it.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(480)]);
    let cut: String = text.chars().take(120).collect();
    let dots = if cut.len() < text.len() || name.len() > 480 { "…" } else { "" };
    format!("{:?}", format!("{cut}{dots}"))
}
