//! The host's end of one sandbox: three pipes, one exchange at a time.
//!
//! The state machine is strict, since the other end is hostile: a request goes out, log frames may come, then one
//! answer with the request's nonce. A byte out of turn, a wrong nonce, an over-long or unknown frame ends the
//! sandbox's life ([`FaultKind::Tainted`]).

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::frame::{Frame, FrameError, FrameLimits, Kind};
use crate::log_pipe::{Expired, drain, with_logs};
use crate::logs::Logs;
use crate::message::{Failure, Invoke, Load, Loaded, LogLine, ResultHead};
use crate::nonce::Nonce;

/// The service's ends of a sandbox's three pipes.
#[derive(Debug)]
pub struct Channel {
    requests: pipe::Sender,
    answers: BufReader<pipe::Receiver>,
    logs: pipe::Receiver,
    limits: ChannelLimits,
    state: State,
    /// Bytes of the last request that went into the pipe; none where the last exchange had no request.
    written: Option<usize>,
}

/// How much one exchange may bring, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Of a frame from the sandbox.
    pub frame: FrameLimits,
    /// Of what one call prints.
    pub logs: usize,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self { frame: FrameLimits::default(), logs: 1 << 20 }
    }
}

/// `Broken` is also the state while an exchange runs: one whose future is dropped half way stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Broken,
}

/// What an exchange brought.
#[derive(Debug)]
pub struct Reply<T> {
    /// The answer.
    pub answer: T,
    /// What the code printed meanwhile.
    pub logs: Logs,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Answer {
    /// The handler's result.
    Result(ResultHead, Bytes),
    /// The handler failed; the sandbox is as good as before.
    Failure(Failure),
}

/// An exchange without an answer. The sandbox is of no further use.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// What the code printed until then.
    pub logs: Logs,
}

/// Why an exchange brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum FaultKind {
    /// The other end closed its pipe: the process ended, or gave its descriptors up.
    #[error("the process ended before it answered")]
    Ended,
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The answer's body is over the limit.
    #[error("an answer of {len} bytes is over the limit of {limit}")]
    AnswerTooLarge {
        /// As announced.
        len: usize,
        /// As allowed.
        limit: usize,
    },
    /// The other end broke the protocol.
    #[error("the sandbox broke the protocol: {0}")]
    Tainted(String),
}

impl FaultKind {
    fn tainted(why: impl Into<String>) -> Self {
        Self::Tainted(why.into())
    }
}

impl From<Expired> for FaultKind {
    fn from(Expired: Expired) -> Self {
        Self::Deadline
    }
}

impl From<FrameError> for FaultKind {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Ended | FrameError::Io(_) => Self::Ended,
            FrameError::BodyTooLong { len, limit } => Self::AnswerTooLarge { len, limit },
            FrameError::UnknownKind(_) | FrameError::HeaderTooLong { .. } => Self::tainted(error.to_string()),
        }
    }
}

impl Channel {
    /// A channel over the three ends that an init sent.
    #[must_use]
    pub fn new(
        requests: pipe::Sender,
        answers: pipe::Receiver,
        logs: pipe::Receiver,
        limits: ChannelLimits,
    ) -> Self {
        Self { requests, answers: BufReader::new(answers), logs, limits, state: State::Idle, written: None }
    }

    /// Whether another exchange may follow: the last one was answered, and no byte came after it.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.state == State::Idle && self.stray().is_none()
    }

    /// Whether it is certain that nobody has read a byte of the last request, and nobody can any more: it lies in the
    /// pipe as it was written, and the pipe has no reader.
    #[must_use]
    pub fn is_untaken(&self) -> bool {
        let lies_there = |written: usize| {
            let left = rustix::io::ioctl_fionread(&self.requests);
            written == 0 || left.is_ok_and(|left| left == written as u64) && !self.has_reader()
        };
        self.written.is_some_and(lies_there)
    }

    /// Whether anybody can read requests.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        let mut pipe = [PollFd::new(&self.requests, PollFlags::empty())];
        let polled = rustix::event::poll(&mut pipe, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        polled.is_err() || !pipe[0].revents().contains(PollFlags::ERR)
    }

    /// Waits until the language is up and says so.
    ///
    /// # Errors
    /// The process ended, said something else, or took longer than `deadline`.
    pub async fn hello(&mut self, deadline: Instant) -> Result<Reply<()>, Fault> {
        self.run(deadline, None, |frame, _| match frame.kind {
            Kind::Hello => Ok(()),
            other => Err(FaultKind::tainted(format!("{other:?} before hello"))),
        })
        .await
    }

    /// Has the code loaded; a [`Failure`] is the code's own.
    ///
    /// # Errors
    /// As [`Fault`] says; the sandbox is of no further use then.
    pub async fn load(
        &mut self,
        mut load: Load,
        deadline: Instant,
    ) -> Result<Reply<Result<Loaded, Failure>>, Fault> {
        let nonce = Nonce::generate();
        nonce.as_str().clone_into(&mut load.nonce);
        let request = Frame::new(Kind::Load, &load, Bytes::new());
        self.run(deadline, Some((request, nonce)), |frame, nonce| match frame.kind {
            Kind::Loaded => {
                let loaded: Loaded = header(&frame)?;
                check(nonce, &loaded.nonce)?;
                Ok(Ok(loaded))
            }
            _ => failure(&frame, nonce).map(Err),
        })
        .await
    }

    /// Has the handler called.
    ///
    /// # Errors
    /// As [`Fault`] says; the sandbox is of no further use then.
    pub async fn invoke(
        &mut self,
        mut invoke: Invoke,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Reply<Answer>, Fault> {
        let nonce = Nonce::generate();
        nonce.as_str().clone_into(&mut invoke.nonce);
        let request = Frame::new(Kind::Invoke, &invoke, body);
        self.run(deadline, Some((request, nonce)), |frame, nonce| match frame.kind {
            Kind::Result => {
                let head: ResultHead = header(&frame)?;
                check(nonce, &head.nonce)?;
                Ok(Answer::Result(head, frame.body))
            }
            _ => failure(&frame, nonce).map(Answer::Failure),
        })
        .await
    }

    /// One exchange: sends the request, collects logs, and gives the frame that ends it to `answer`.
    async fn run<T>(
        &mut self,
        deadline: Instant,
        request: Option<(Frame, Nonce)>,
        answer: impl FnOnce(Frame, Option<&Nonce>) -> Result<T, FaultKind>,
    ) -> Result<Reply<T>, Fault> {
        let mut logs = Logs::new(self.limits.logs);
        self.written = request.is_some().then_some(0);
        let outcome = match self.begin(request.is_some()) {
            Ok(()) => self.talk(deadline, request, &mut logs, answer).await,
            Err(kind) => Err(kind),
        };
        // The code wrote before it answered, so what belongs to this call is in the pipe by now.
        drain(&self.logs, &mut logs);
        match outcome {
            Ok(answer) => {
                self.state = State::Idle;
                Ok(Reply { answer, logs })
            }
            Err(kind) => Err(Fault { kind, logs }),
        }
    }

    /// Refuses a channel on which an exchange was broken off, or something came out of turn.
    fn begin(&mut self, is_request: bool) -> Result<(), FaultKind> {
        if self.state == State::Broken {
            return Err(FaultKind::tainted("an earlier exchange was broken off"));
        }
        self.state = State::Broken;
        // A hello is not asked for, so it may be there already; anything else is out of turn.
        if is_request {
            if let Some(kind) = self.stray() {
                return Err(kind);
            }
            // What was printed between two calls belongs to neither.
            drain(&self.logs, &mut Logs::new(0));
        }
        Ok(())
    }

    async fn talk<T>(
        &mut self,
        deadline: Instant,
        request: Option<(Frame, Nonce)>,
        logs: &mut Logs,
        answer: impl FnOnce(Frame, Option<&Nonce>) -> Result<T, FaultKind>,
    ) -> Result<T, FaultKind> {
        let (frame, nonce) = request.unzip();
        if let Some(frame) = frame {
            let mut bytes = frame.head().chain(frame.body);
            let len = bytes.remaining();
            let send = async { self.requests.write_all_buf(&mut bytes).await.map_err(|_| FaultKind::Ended) };
            let sent = with_logs(send, &self.logs, logs, deadline).await;
            self.written = Some(len - bytes.remaining());
            sent??;
        }
        loop {
            let read = Frame::read(&mut self.answers, self.limits.frame);
            let frame = with_logs(read, &self.logs, logs, deadline).await??;
            if frame.kind != Kind::Log {
                return answer(frame, nonce.as_ref());
            }
            let line: LogLine = header(&frame)?;
            check(nonce.as_ref(), &line.nonce)?;
            drain(&self.logs, logs);
            push_line(logs, &line);
        }
    }

    /// What came out of turn: bytes, or the end of the stream.
    fn stray(&self) -> Option<FaultKind> {
        if !self.answers.buffer().is_empty() {
            return Some(FaultKind::tainted("bytes between two calls"));
        }
        match self.answers.get_ref().try_read(&mut [0; 1]) {
            Ok(0) => Some(FaultKind::Ended),
            Ok(_) => Some(FaultKind::tainted("bytes between two calls")),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(FaultKind::Ended),
        }
    }
}

fn header<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, FaultKind> {
    serde_json::from_slice(&frame.header)
        .map_err(|error| FaultKind::tainted(format!("the header of a {:?} frame: {error}", frame.kind)))
}

fn check(nonce: Option<&Nonce>, echoed: &str) -> Result<(), FaultKind> {
    match nonce {
        Some(nonce) if nonce.matches(echoed) => Ok(()),
        _ => Err(FaultKind::tainted("an answer to another request")),
    }
}

fn failure(frame: &Frame, nonce: Option<&Nonce>) -> Result<Failure, FaultKind> {
    if frame.kind != Kind::Failure {
        return Err(FaultKind::tainted(format!("a {:?} frame in place of an answer", frame.kind)));
    }
    let failure: Failure = header(frame)?;
    check(nonce, &failure.nonce)?;
    Ok(failure)
}

/// A structured line as text: the level, the sentence, and the fields as JSON where there are some.
fn push_line(logs: &mut Logs, line: &LogLine) {
    let mut text = format!("[{}] {}", line.level.to_uppercase(), line.message);
    if !line.fields.is_empty() {
        text.push(' ');
        text.push_str(&serde_json::Value::Object(line.fields.clone()).to_string());
    }
    text.push('\n');
    logs.push(text.as_bytes());
}
