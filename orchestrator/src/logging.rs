//! The service's own log, to stderr: text for people or JSON lines for programs.

mod lines;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogFormat};
use lines::Lines;

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

/// Starts the log of this process; panics go into it too.
///
/// # Errors
/// The filter is wrong, or there is a log already.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter: EnvFilter = EnvFilter::builder().parse(&log.level)?;
    let has_colours = std::io::stderr().is_terminal();
    let lines = Lines { to: std::io::stderr, format: log.format, has_colours };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    // It would tell of a line that stderr doesn't take on stderr, and panic: a log on a full disk ends no service.
    let builder = builder.log_internal_errors(false);
    // Colours are for a person who watches, and NO_COLOR is the subscriber's own business.
    let builder = if has_colours { builder } else { builder.with_ansi(false) };
    match log.format {
        LogFormat::Text => builder.finish().try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(panic.at = at, panic.message = why, "a panic");
    }));
    Ok(())
}
