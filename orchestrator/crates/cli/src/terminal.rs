//! Where a command writes: data to stdout, words to stderr, both replaceable in tests.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Error;

/// The two streams, and what may be written to them.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether a person watches stderr, so that a line may be drawn over.
    is_interactive: bool,
    has_color: bool,
    is_quiet: bool,
    /// The line that is being drawn over, if any.
    spinner: Option<ProgressBar>,
}

impl Terminal {
    /// The process's own streams.
    #[must_use]
    pub fn of_process(has_no_color: bool, is_quiet: bool) -> Self {
        let is_interactive = io::stderr().is_terminal();
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            is_interactive,
            has_color: is_interactive && !has_no_color,
            is_quiet,
            spinner: None,
        }
    }

    /// Streams of a test: nobody watches, no colour.
    #[must_use]
    pub fn captured(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, is_quiet: bool) -> Self {
        Self { out, err, is_interactive: false, has_color: false, is_quiet, spinner: None }
    }

    /// One line of data, to stdout.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn data(&mut self, text: &str) -> Result<(), Error> {
        self.restore();
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).map_err(Error::Output)
    }

    /// A value as indented JSON, to stdout.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn json(&mut self, value: &serde_json::Value) -> Result<(), Error> {
        self.data(&format!("{value:#}"))
    }

    /// One line for people, to stderr; nothing with `--quiet`.
    pub fn say(&mut self, text: &str) {
        if !self.is_quiet {
            self.warn(text);
        }
    }

    /// One line for people, to stderr, with `--quiet` too. A stderr that is closed is no reason to fail.
    pub fn warn(&mut self, text: &str) {
        self.restore();
        let _ = writeln!(self.err, "{text}");
    }

    /// What a program printed, to stderr as it is, ended by a line feed.
    pub fn block(&mut self, text: &str) {
        if !text.is_empty() {
            self.warn(text.strip_suffix('\n').unwrap_or(text));
        }
    }

    /// A step that takes time: drawn over the step before where a person watches, else a line of its own.
    pub fn step(&mut self, text: &str) {
        if self.is_quiet {
            return;
        }
        if !self.is_interactive {
            let _ = writeln!(self.err, "{text}");
            return;
        }
        let spinner = self.spinner.get_or_insert_with(|| {
            let spinner = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner.enable_steady_tick(std::time::Duration::from_millis(80));
            spinner
        });
        spinner.set_message(text.to_owned());
    }

    /// Whether only data and warnings are wanted.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether a person watches.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.is_interactive && !self.is_quiet
    }

    /// Takes the spinner away.
    pub fn restore(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// `text` in bold red where colours are wanted.
    #[must_use]
    pub fn alarming(&self, text: &str) -> String {
        self.painted(text, "1;31")
    }

    /// `text` in green where colours are wanted.
    #[must_use]
    pub fn pleasing(&self, text: &str) -> String {
        self.painted(text, "32")
    }

    fn painted(&self, text: &str, code: &str) -> String {
        if self.has_color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
