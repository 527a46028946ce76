//! Why a command failed, and how that is told: what happened, and what to do about it.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Terminal;

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that can't be.
    #[error("{0}")]
    Usage(String),
    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file doesn't hold what it should.
    #[error("{}: {message}", path.display())]
    BadFile {
        /// Which.
        path: PathBuf,
        /// What is wrong in it, and where.
        message: String,
    },
    /// Nobody answers.
    #[error("can't reach the service at {url}: {}", root_cause(source))]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// The service said no.
    #[error("{0}")]
    Refused(Refusal),
    /// Something answers that is not Cloudbox, or of another release.
    #[error("{url} answered what this client can't read: {message}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        message: String,
    },
    /// The command ran to its end, and the end is not a good one; all else was said before.
    #[error("{0}")]
    Failed(String),
    /// stdout is closed.
    #[error("can't write to stdout: {0}")]
    Output(io::Error),
}

/// An answer of the service that is an error.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The JSON of contract, or, of a proxy, an object with its text as `error`.
    pub body: Value,
}

impl Refusal {
    fn text(&self, field: &str) -> Option<&str> {
        self.body[field].as_str().filter(|text| !text.is_empty())
    }

    /// The word that programs compare; empty where the answer has none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text("code").unwrap_or_default()
    }

    fn remedy(&self) -> Option<&'static str> {
        Some(match (self.status, self.code()) {
            (401, _) => {
                "name a token with --token or CLOUDBOX_TOKEN; `cloudbox serve` writes one to DATA_DIR/admin-token"
            }
            (_, "NOT_DEPLOYED") => "deploy it first, with `cloudbox deploy`",
            (_, "DISABLED") => "switch it on by a PATCH with `is_active: true`",
            (429, _) | (503, _) => "try again in a moment",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.text("error").unwrap_or("the service refused without a reason");
        match self.code() {
            "" => write!(f, "HTTP {}: {message}", self.status),
            code => write!(f, "{code}: {message}"),
        }
    }
}

impl Error {
    /// For `map_err` on reading `path`.
    pub fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// Writes it to the terminal and says which exit code goes with it. With `--json` the service's own answer goes to
    /// stdout as well, for scripts.
    pub fn report(&self, terminal: &mut Terminal, is_json: bool) -> u8 {
        match self {
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => return 0,
            Self::Refused(refusal) => {
                if is_json && terminal.json(&refusal.body).is_err() {
                    return 1;
                }
                for output in ["build_logs", "logs"] {
                    terminal.block(refusal.text(output).unwrap_or_default());
                }
            }
            _ => {}
        }
        let label = terminal.alarming("error:");
        terminal.warn(&format!("{label} {self}{}", self.explanation()));
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }

    /// What goes below the sentence: fields that were refused, the stack, what to do.
    fn explanation(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Refused(refusal) => {
                let said = refusal.text("error").unwrap_or_default();
                for detail in refusal.body["details"].as_array().into_iter().flatten() {
                    let word = |key: &str| detail[key].as_str().unwrap_or_default();
                    if said == format!("{} {}", word("field"), word("message")) {
                        continue;
                    }
                    let _ = write!(text, "\n  {}: {}", word("field"), word("message"));
                }
                if let Some(stack) = refusal.text("stack") {
                    // Node's begins with the message, which was just said.
                    let message = refusal.text("error").unwrap_or_default();
                    let frames = stack.trim_end();
                    let frames = frames.strip_prefix(message).unwrap_or(frames).trim_start_matches('\n');
                    let _ = write!(text, "\n{frames}");
                }
                if let Some(remedy) = refusal.remedy() {
                    let _ = write!(text, "\n  {remedy}");
                }
            }
            Self::Unreachable { .. } => {
                text.push_str(
                    "\n  start it with `cloudbox serve`, or name another with --url or CLOUDBOX_URL",
                );
            }
            Self::Unreadable { .. } => {
                text.push_str("\n  is this a Cloudbox of the same release? --url names the service");
            }
            _ => {}
        }
        text
    }
}

/// The innermost reason, such as "Connection refused": the layers above only say "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
