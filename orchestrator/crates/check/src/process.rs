//! Sources are read in a process of their own: text that is nested deeply enough overflows the stack of any parser, and
//! then it is that process which ends.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cloudbox_types::Language;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::{Compilation, FileProblem, MAX_SOURCE_BYTES, Problem, Report, SourceFile, compile, read};

/// The stack of the reading thread. Only what is used of it is memory: honest code stays below a megabyte.
const STACK_BYTES: usize = 256 << 20;
/// The processor's time for a reading, in seconds. A source of the greatest length takes less than one.
const READ_CPU_S: u64 = 10;
/// The same for a compilation. Sources of the greatest lengths take a few.
const COMPILE_CPU_S: u64 = 60;
/// How long a process may be about it in all: what a busy machine makes of that time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many sources are read at a time.
const READERS: usize = 2;
/// Why a reading ends the process that does it.
const TOO_DEEP: &str = "the code is nested too deeply to be read";
/// How many reports are kept for when the same source comes again.
const REMEMBERED: usize = 16;

/// What the reading process is asked.
#[derive(Serialize, Deserialize)]
enum Question {
    /// To be answered with a [`Report`].
    Read { source: String, language: Language },
    /// To be answered with the files that are begun, a line for each, and then a [`Compilation`].
    Compile(Vec<SourceFile>),
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
    /// It said something that is no answer.
    #[error("the answer of the process that reads sources")]
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
        let question = Question::Read { source: source.clone(), language };
        let report = match self.ask(&question).await? {
            Ended::Answered(report) => serde_json::from_slice(&report)?,
            Ended::TooDeep(_) => refusal(TOO_DEEP),
            Ended::TooLong => refusal("the code takes too long to be read; make it simpler"),
        };
        let mut known = self.known.lock();
        known.truncate(REMEMBERED - 1);
        known.push_front((language, source, report.clone()));
        Ok(Some(report))
    }

    /// Has the sources of a folder compiled, as [`compile`] does it.
    ///
    /// # Errors
    /// The process that compiles can't be started.
    pub async fn compile(&self, sources: Vec<SourceFile>) -> Result<Compilation, ReadError> {
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let question = Question::Compile(sources);
        let problem = |path: &str, message: &str| Compilation {
            problems: vec![FileProblem {
                path: path.to_owned(),
                line: 1,
                column: 1,
                message: message.to_owned(),
            }],
            ..Compilation::default()
        };
        match self.ask(&question).await? {
            Ended::Answered(answer) => {
                let last = answer.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                Ok(serde_json::from_slice(last)?)
            }
            Ended::TooLong => {
                Ok(problem("tsconfig.json", "the code takes too long to be compiled; make it simpler"))
            }
            Ended::TooDeep(said) => {
                let mut lines = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let begun: String =
                    lines.next_back().map(serde_json::from_slice).transpose()?.unwrap_or_default();
                Ok(problem(&begun, TOO_DEEP))
            }
        }
    }

    fn remembered(&self, source: &str, language: Language) -> Option<Report> {
        let known = self.known.lock();
        let found = known.iter().find(|(of, text, _)| *of == language && text == source);
        found.map(|(_, _, report)| report.clone())
    }

    /// What becomes of the process, which hostile text can end.
    async fn ask(&self, question: &Question) -> Result<Ended, ReadError> {
        let mut child = self.command().spawn()?;
        let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no stdin"))?;
        let question = serde_json::to_vec(question)?;
        let answered = async {
            // A process that ended early has said why in its exit status.
            let _ = stdin.write_all(&question).await;
            drop(stdin);
            child.wait_with_output().await
        };
        let Ok(ended) = tokio::time::timeout(PATIENCE, answered).await else { return Ok(Ended::TooLong) };
        let ended = ended?;
        let is_slow = ended.status.signal() == Some(Signal::SIGXCPU as i32);
        Ok(match ended.status.success() {
            true => Ended::Answered(ended.stdout),
            false if is_slow => Ended::TooLong,
            false => Ended::TooDeep(ended.stdout),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a parser of hostile text, kept out of the service")]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// How a process that reads ends, with what it said.
enum Ended {
    Answered(Vec<u8>),
    /// Its stack was too short.
    TooDeep(Vec<u8>),
    /// Its time was over.
    TooLong,
}

/// A report with one error, at the beginning.
fn refusal(message: &str) -> Report {
    let problem = Problem { line: 1, column: 1, message: message.to_owned() };
    Report { errors: vec![problem], ..Report::default() }
}

/// What the reading process does: one question on stdin, one answer on stdout.
///
/// # Errors
/// The question or the answer can't be passed.
pub fn answer_one() -> io::Result<()> {
    let mut question = Vec::new();
    io::stdin().read_to_end(&mut question)?;
    let question = serde_json::from_slice(&question)?;
    let seconds = if matches!(question, Question::Read { .. }) { READ_CPU_S } else { COMPILE_CPU_S };
    setrlimit(Resource::RLIMIT_CPU, seconds, seconds + 1)?;
    let answer = move || match question {
        Question::Read { source, language } => {
            read(&source, language).map(|report| serde_json::to_vec(&report)).transpose()
        }
        Question::Compile(sources) => {
            // Line by line, since nothing is said any more by a process that is ended.
            let mut begins = |path: &str| {
                let _ = writeln!(io::stdout(), "{}", serde_json::Value::from(path));
            };
            Some(serde_json::to_vec(&compile(&sources, &mut begins))).transpose()
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(answer)?;
    let answer = thread.join().map_err(|_| io::Error::other("a parser gave up"))?;
    let mut stdout = io::stdout();
    stdout.write_all(&answer?.unwrap_or_default())?;
    stdout.flush()
}
