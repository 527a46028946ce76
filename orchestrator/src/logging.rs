//! The service's own log, to stderr: text for people or JSON lines for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `log.level` is no filter.
    #[error("setting log.level: {0}; write something such as info or cloudbox=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The process has a log already.
    #[error("the log can't be started")]
    Taken(#[from] TryInitError),
}

/// Starts the log of this process.
///
/// # Errors
/// The filter is wrong, or there is a log already.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter: EnvFilter = EnvFilter::builder().parse(&log.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for a person who watches, and NO_COLOR is the subscriber's own business.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    match log.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
