//! The host's end of one sandbox: three pipes, one exchange at a time.
//!
//! The state machine is strict, since the other end is hostile: a request goes out, log frames and host calls may come,
//! then one answer with the request's nonce. A byte out of turn, a wrong nonce, an over-long or unknown frame ends the
//! sandbox's life ([`FaultKind::Tainted`]).

mod answers;
mod between;
mod calls;
mod fault;
mod near;
mod outbox;
mod parts;
mod several;
mod streamed;

use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::frame::{Frame, FrameLimits, Kind};
use crate::host::{Host, NoHost};
use crate::log_pipe::{drain, with_logs};
use crate::logs::Logs;
use crate::message::{Failure, Invoke, Load, Loaded, LogLine, ResultHead};
use crate::nonce::Nonce;
use crate::stream::Outlet;
use answers::Answers;
use calls::Calls;
pub use fault::{Fault, FaultKind};
use parts::{check, failure, header, loaded};
pub use several::Several;
pub use streamed::Streamed;
use streamed::Streaming;

/// The number of a call that is the only one.
const ONLY: outbox::Seat = 0;

/// The service's ends of a sandbox's three pipes.
#[derive(Debug)]
pub struct Channel {
    requests: pipe::Sender,
    answers: BufReader<Answers>,
    logs: Arc<pipe::Receiver>,
    limits: ChannelLimits,
    state: State,
    /// Bytes of the last request that went into the pipe; none where the last exchange had no request.
    written: Option<usize>,
    /// The nonce with which the shim says after each call that the process of that call is gone, where calls have one.
    forks: Option<Nonce>,
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
    /// The process of the last call may still be about to end.
    Ending,
    Broken,
}

/// One call of the handler.
pub struct Request {
    /// The header; its nonce is set by the channel.
    pub invoke: Invoke,
    /// The request's body.
    pub body: Bytes,
    /// Who carries out the host calls that the function makes meanwhile.
    pub host: Arc<dyn Host>,
    /// Where the answer goes if it is streamed; none where it is wanted as a whole.
    pub outlet: Option<Outlet>,
}

impl Request {
    /// A call whose function may make no host calls: each is answered with an error.
    #[must_use]
    pub fn without_host(invoke: Invoke, body: Bytes) -> Self {
        Self { invoke, body, host: Arc::new(NoHost), outlet: None }
    }
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
    /// The handler's result went through the request's outlet, or the beginning of it.
    Streamed(Streamed),
    /// The handler failed; the sandbox is as good as before.
    Failure(Failure),
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
        let logs = Arc::new(logs);
        let answers = BufReader::new(Answers::new(answers, Arc::clone(&logs)));
        Self { requests, answers, logs, limits, state: State::Idle, written: None, forks: None }
    }

    /// Says which process of the host's answers, so that it runs beside the thread that waits for a quick answer. It
    /// may use no more than one CPU at once.
    pub fn keep_near(&mut self, pid: i32) {
        self.answers.get_mut().keep_near(pid);
    }

    /// Whether the thread that calls next waits for the answer itself.
    #[must_use]
    pub fn waits_next(&self) -> bool {
        self.answers.get_ref().waits_next()
    }

    /// After a load whose answer allows it: several calls at once from now on, at most `seats`. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn into_several(self, seats: u32) -> Several {
        Several::begin(self, seats)
    }

    /// Waits until the language is up and says so.
    ///
    /// # Errors
    /// The process ended, said something else, or took longer than `deadline`.
    pub async fn hello(&mut self, deadline: Instant) -> Result<Reply<()>, Fault> {
        self.run(deadline, None, |said, _| match said.frame()?.kind {
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
        let frame = Frame::new(Kind::Load, &load, Bytes::new());
        let request = Outbound { frame, nonce: nonce.clone(), host: None, outlet: None };
        let answer = |said: Said, nonce: Option<&Nonce>| match said.frame()? {
            frame if frame.kind == Kind::Loaded => loaded(&frame, nonce).map(Ok),
            frame => failure(&frame, nonce).map(Err),
        };
        let reply = self.run(deadline, Some(request), answer).await?;
        self.forks = matches!(&reply.answer, Ok(loaded) if loaded.is_forked).then_some(nonce);
        Ok(reply)
    }

    /// Has the handler called.
    ///
    /// # Errors
    /// As [`Fault`] says; the sandbox is of no further use then.
    pub async fn invoke(
        &mut self,
        Request { invoke, body, host, outlet }: Request,
        deadline: Instant,
    ) -> Result<Reply<Answer>, Fault> {
        let (nonce, frame) = asked(invoke, body, outlet.is_some());
        let request = Outbound { frame, nonce, host: Some(host), outlet };
        let answer = |said, nonce: Option<&Nonce>| match said {
            Said::Streamed(streamed) => Ok(Answer::Streamed(streamed)),
            Said::Result(head, body) => Ok(Answer::Result(head, body)),
            Said::Frame(frame) => failure(&frame, nonce).map(Answer::Failure),
        };
        let reply = self.run(deadline, Some(request), answer).await?;
        if self.forks.is_some() && self.state == State::Idle {
            self.state = State::Ending;
        }
        Ok(reply)
    }

    /// One exchange: sends the request, collects logs, and gives the frame that ends it to `answer`.
    async fn run<T>(
        &mut self,
        deadline: Instant,
        request: Option<Outbound>,
        answer: impl FnOnce(Said, Option<&Nonce>) -> Result<T, FaultKind>,
    ) -> Result<Reply<T>, Fault> {
        let mut logs = Logs::new(self.limits.logs);
        self.written = request.is_some().then_some(0);
        let outcome = match self.begin(request.is_some()) {
            Ok(()) => self.talk(deadline, request, &mut logs, answer).await,
            Err(kind) => Err(kind),
        };
        // The code wrote before it answered, so what belongs to this call is in the pipe by now.
        if outcome.is_err() || !self.answers.get_ref().came_without_logs() {
            drain(&self.logs, &mut logs);
        }
        match outcome {
            Ok((answer, state)) => {
                self.state = state;
                Ok(Reply { answer, logs })
            }
            Err(kind) => Err(Fault { kind, logs }),
        }
    }

    /// Refuses a channel on which an exchange was broken off, or something came out of turn.
    fn begin(&mut self, is_request: bool) -> Result<(), FaultKind> {
        if self.state != State::Idle {
            return Err(FaultKind::tainted("an earlier exchange was broken off, or is not over"));
        }
        self.state = State::Broken;
        // A hello is not asked for, so it may be there already; anything else is out of turn.
        if is_request {
            let [has_answers, has_logs] = self.pending();
            if has_answers && let Some(kind) = self.stray() {
                return Err(kind);
            }
            // What was printed between two calls belongs to neither.
            if has_logs {
                drain(&self.logs, &mut Logs::new(0));
            }
        }
        Ok(())
    }

    /// The answer, and whether another exchange may follow.
    async fn talk<T>(
        &mut self,
        deadline: Instant,
        request: Option<Outbound>,
        logs: &mut Logs,
        answer: impl FnOnce(Said, Option<&Nonce>) -> Result<T, FaultKind>,
    ) -> Result<(T, State), FaultKind> {
        let Some(Outbound { frame, nonce, host, mut outlet }) = request else {
            let frame =
                with_logs(Frame::read(&mut self.answers, self.limits.frame), &self.logs, logs, deadline);
            return Ok((answer(Said::Frame(frame.await??), None)?, State::Idle));
        };
        // Where the program runs is decided before the request wakes it.
        if host.is_some() {
            self.answers.get_mut().expect();
        }
        self.send(frame, logs, deadline).await?;
        // Most functions ask nothing of the service.
        let mut calls: Option<Calls> = None;
        let mut streaming: Option<Streaming> = None;
        loop {
            let Self { requests, answers, .. } = self;
            let next = next_frame(answers, requests, self.limits.frame, calls.as_mut());
            let frame = with_logs(next, &self.logs, logs, deadline).await??;
            self.answers.get_mut().has_come();
            let said = match (frame.kind, &host, &mut streaming) {
                (Kind::Log, ..) => {
                    let line: LogLine = header(&frame)?;
                    check(Some(&nonce), &line.nonce)?;
                    drain(&self.logs, logs);
                    logs.push_line(&line);
                    continue;
                }
                (Kind::Call, Some(host), _) => {
                    // Whoever calls has taken the request.
                    self.written = None;
                    let begin = || {
                        let mut calls = Calls::default();
                        calls.admit(ONLY, nonce.as_str(), Arc::clone(host));
                        calls
                    };
                    calls.get_or_insert_with(begin).accept(frame)?;
                    continue;
                }
                (Kind::Chunk, _, Some(streaming)) => {
                    let take = streaming.take(frame, &nonce, calls.as_mut(), &mut self.requests);
                    match with_logs(take, &self.logs, logs, deadline).await?? {
                        Some(streamed) => Said::Streamed(streamed),
                        None => continue,
                    }
                }
                (kind, _, Some(_)) => {
                    return Err(FaultKind::tainted(format!("a {kind:?} frame in a stream")));
                }
                // What is loaded has no result.
                (Kind::Result, Some(_), _) => {
                    let head: ResultHead = header(&frame)?;
                    check(Some(&nonce), &head.nonce)?;
                    match outlet.take().filter(|_| head.is_streamed) {
                        Some(outlet) => {
                            self.written = None;
                            streaming = Some(Streaming::new(head, outlet));
                            continue;
                        }
                        None if head.is_streamed => {
                            return Err(FaultKind::tainted("a streamed answer that nobody asked for"));
                        }
                        None => Said::Result(head, frame.body),
                    }
                }
                _ => Said::Frame(frame),
            };
            let answer = answer(said, Some(&nonce))?;
            let is_whole = match calls {
                Some(calls) => calls.end(&mut self.requests, deadline).await,
                None => true,
            };
            return Ok((answer, if is_whole { State::Idle } else { State::Broken }));
        }
    }

    async fn send(&mut self, frame: Frame, logs: &mut Logs, deadline: Instant) -> Result<(), FaultKind> {
        let mut bytes = frame.head().chain(frame.body);
        let len = bytes.remaining();
        let send = async { self.requests.write_all_buf(&mut bytes).await.map_err(|_| FaultKind::Ended) };
        let sent = with_logs(send, &self.logs, logs, deadline).await;
        self.written = Some(len - bytes.remaining());
        sent?
    }
}

/// The frame that asks for a call, and the nonce that its answer must echo.
fn asked(mut invoke: Invoke, body: Bytes, may_stream: bool) -> (Nonce, Frame) {
    let nonce = Nonce::generate();
    nonce.as_str().clone_into(&mut invoke.nonce);
    invoke.may_stream = may_stream;
    (nonce, Frame::written(Kind::Invoke, body, |header| invoke.write_json(header)))
}

/// A request on its way.
struct Outbound {
    frame: Frame,
    nonce: Nonce,
    /// Who answers host calls, where they may come.
    host: Option<Arc<dyn Host>>,
    /// Where a streamed answer goes, where one may come.
    outlet: Option<Outlet>,
}

/// What ends an exchange.
enum Said {
    Frame(Frame),
    Result(ResultHead, Bytes),
    Streamed(Streamed),
}

impl Said {
    fn frame(self) -> Result<Frame, FaultKind> {
        match self {
            Self::Frame(frame) => Ok(frame),
            Self::Result(..) | Self::Streamed(_) => {
                Err(FaultKind::tainted("an answer to a call that was not made"))
            }
        }
    }
}

/// The next frame; host calls that are under way go on meanwhile.
async fn next_frame(
    answers: &mut BufReader<Answers>,
    requests: &mut pipe::Sender,
    limits: FrameLimits,
    calls: Option<&mut Calls>,
) -> Result<Frame, FaultKind> {
    let read = Frame::read(answers, limits);
    let Some(calls) = calls.filter(|calls| !calls.is_idle()) else { return Ok(read.await?) };
    tokio::pin!(read);
    loop {
        // Neither side first: a flood of frames must not keep replies back.
        tokio::select! {
            frame = &mut read => return Ok(frame?),
            advanced = calls.advance(requests), if !calls.is_idle() => drop(advanced?),
        }
    }
}
