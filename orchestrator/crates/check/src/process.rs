//! Sources are read in a process of their own: text that is nested deeply enough overflows the stack of any parser, and
//! then it is that process which ends.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cloudbox_types::Language;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::{MAX_SOURCE_BYTES, Problem, Report, read};

/// The stack of the reading thread. Only what is used of it is memory: honest code stays below a megabyte.
const STACK_BYTES: usize = 256 << 20;
/// How long a reading may take. A source of the greatest length takes less than a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many sources are read at a time.
const READERS: usize = 2;
/// How many reports are kept for when the same source comes again.
const REMEMBERED: usize = 16;

/// What the reading process is asked.
#[derive(Serialize, Deserialize)]
struct Question {
    source: String,
    language: Language,
}

/// Has sources read by processes of their own.
#[derive(Debug)]
pub struct Reader {
    program: PathBuf,
    args: Vec<String>,
    places: Semaphore,
    /// What was read last: code that comes with each call comes again.
    known: Mutex<VecDeque<(Language, String, Report)>>,
}

/// A source could not be read, for a reason that isn't in it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reading process can't be started or talked to.
    #[error("the process that reads sources")]
    Process(#[from] io::Error),
    /// It said something that is no report.
    #[error("the report on a source")]
    Report(#[from] serde_json::Error),
}

impl Reader {
    /// A reader that starts `program` with `args`, which must lead to [`answer_one`].
    #[must_use]
    pub fn new(program: PathBuf, args: Vec<String>) -> Self {
        Self { program, args, places: Semaphore::new(READERS), known: Mutex::default() }
    }

    /// Reads a source; nothing for Go.
    ///
    /// # Errors
    /// The process that reads can't be started.
    pub async fn read(&self, source: String, language: Language) -> Result<Option<Report>, ReadError> {
        if language == Language::Go {
            return Ok(None);
        }
        if source.len() > MAX_SOURCE_BYTES {
            let length = source.len();
            return Ok(Some(refusal(&format!(
                "the code has {length} bytes, and the limit is {MAX_SOURCE_BYTES}"
            ))));
        }
        if let Some(report) = self.remembered(&source, language) {
            return Ok(Some(report));
        }
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let question = Question { source, language };
        let report = match tokio::time::timeout(PATIENCE, self.ask(&question)).await {
            Ok(answer) => answer?,
            Err(_) => refusal("the code takes too long to be read; make it simpler"),
        };
        let mut known = self.known.lock();
        known.truncate(REMEMBERED - 1);
        known.push_front((language, question.source, report.clone()));
        Ok(Some(report))
    }

    fn remembered(&self, source: &str, language: Language) -> Option<Report> {
        let known = self.known.lock();
        let found = known.iter().find(|(of, text, _)| *of == language && text == source);
        found.map(|(_, _, report)| report.clone())
    }

    async fn ask(&self, question: &Question) -> Result<Report, ReadError> {
        let mut child = self.command().spawn()?;
        let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no stdin"))?;
        let question = serde_json::to_vec(question)?;
        // A process that ended early has said why in its exit status.
        let _ = stdin.write_all(&question).await;
        drop(stdin);
        let ended = child.wait_with_output().await?;
        if !ended.status.success() {
            return Ok(refusal("the code is nested too deeply to be read"));
        }
        Ok(serde_json::from_slice(&ended.stdout)?)
    }

    #[expect(clippy::disallowed_methods, reason = "a parser of hostile text, kept out of the service")]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// A report with one error, at the beginning.
fn refusal(message: &str) -> Report {
    let problem = Problem { line: 1, column: 1, message: message.to_owned() };
    Report { errors: vec![problem], ..Report::default() }
}

/// What the reading process does: one question on stdin, one report on stdout.
///
/// # Errors
/// The question or the report can't be passed.
pub fn answer_one() -> io::Result<()> {
    let mut question = Vec::new();
    io::stdin().read_to_end(&mut question)?;
    let Question { source, language } = serde_json::from_slice(&question)?;
    let read = move || read(&source, language).map(|report| serde_json::to_vec(&report));
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(read)?;
    let report = thread.join().map_err(|_| io::Error::other("a parser gave up"))?;
    io::stdout().write_all(&report.transpose()?.unwrap_or_default())
}
