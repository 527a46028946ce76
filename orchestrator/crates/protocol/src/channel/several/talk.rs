//! The task that owns the pipes of a sandbox with several calls.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::io::BufReader;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::sync::mpsc::OwnedPermit;
use tokio::time::{Instant, sleep};

use super::super::answers::Answers;
use super::super::between::has_reader;
use super::super::calls::Calls;
use super::super::fault::FaultKind;
use super::super::outbox::{Purpose, Seat};
use super::super::parts::header;
use super::super::{Answer, Channel};
use super::call::Call;
use super::{Order, Standing};
use crate::frame::{Frame, FrameError, FrameLimits, Kind};
use crate::log_pipe::{drain, read_some};
use crate::logs::Logs;
use crate::message::{CallNonce, ChunkHead, Failure, LogLine, ResultHead};

/// How long the last reader of requests may take to be gone after the answers' pipe closed.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// Room for the next piece of a streamed answer; none where its reader has gone.
type Room = (Seat, Option<OwnedPermit<Bytes>>);

/// All that the task has.
pub(super) struct Talk {
    requests: pipe::Sender,
    answers: BufReader<Answers>,
    limits: FrameLimits,
    logs: pipe::Receiver,
    state: Arc<Standing>,
    table: Table,
}

/// The calls, and what is to be done for them.
#[derive(Default)]
struct Table {
    /// The oldest first.
    calls: BTreeMap<Seat, Call>,
    seats: HashMap<String, Seat>,
    /// Nonces of calls that are over for the service, while the shim has not answered them.
    abandoned: HashSet<String>,
    host_calls: Calls,
    rooms: FuturesUnordered<BoxFuture<'static, Room>>,
}

impl Talk {
    pub(super) fn new(channel: Channel, state: Arc<Standing>) -> Self {
        let Channel { requests, answers, logs, limits, .. } = channel;
        Self { requests, answers, limits: limits.frame, logs, state, table: Table::default() }
    }

    /// Serves calls until the sandbox ends, breaks the protocol, or nobody asks for more.
    pub(super) async fn go_on(self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Self { mut requests, answers, limits, logs, state, mut table } = self;
        let ended = {
            let frames = stream::unfold(answers, |mut answers| async move {
                Some((Frame::read(&mut answers, limits).await, answers))
            });
            tokio::pin!(frames);
            table.serve(&mut requests, frames, &logs, &mut orders).await
        };
        state.is_closed.store(true, Ordering::Release);
        table.drain(&logs);
        if let Some(kind) = ended {
            table.fail(kind, &requests).await;
        }
        // Who comes now finds nobody: the order is dropped, and with it the call's answer.
        orders.close();
    }
}

impl Table {
    /// Goes on until something ends it; none where nobody asks any more.
    async fn serve(
        &mut self,
        requests: &mut pipe::Sender,
        mut frames: std::pin::Pin<&mut impl futures::Stream<Item = Result<Frame, FrameError>>>,
        logs: &pipe::Receiver,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Option<FaultKind> {
        let mut is_logging = true;
        loop {
            let Self { host_calls, rooms, .. } = self;
            // None of them first: a flood of one must not keep the others back.
            let step = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return None,
                },
                Some(frame) = frames.next() => match frame {
                    Ok(frame) => self.take(frame, logs),
                    Err(error) => Err(error.into()),
                },
                advanced = host_calls.advance(requests), if !host_calls.is_idle() => advanced,
                Some((seat, room)) = rooms.next(), if !rooms.is_empty() => {
                    self.pass_on(seat, room, logs);
                    Ok(())
                }
                ready = logs.readable(), if is_logging => {
                    is_logging = ready.is_ok() && self.log(logs);
                    Ok(())
                }
            };
            if let Err(kind) = step {
                return Some(kind);
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), FaultKind> {
        match order {
            Order::Begin(call, frame) => {
                let (seat, nonce) = (call.seat, call.nonce.as_str());
                self.host_calls.admit(seat, nonce, Arc::clone(&call.host));
                self.host_calls.outbox.push(seat, Purpose::Invoke, frame);
                self.seats.insert(nonce.to_owned(), seat);
                self.calls.insert(seat, *call);
            }
            Order::Abandon(seat) => {
                let is_sent = |call: &Call| call.stream.as_ref().is_some_and(|stream| stream.is_sent);
                if let Some((call, is_unsent)) = self.remove(seat)
                    && !is_unsent
                    && !is_sent(&call)
                {
                    self.abandoned.insert(call.nonce.as_str().to_owned());
                }
            }
        }
        Ok(())
    }

    /// Takes a call out; whether its request will never be seen by anybody.
    fn remove(&mut self, seat: Seat) -> Option<(Call, bool)> {
        let call = self.calls.remove(&seat)?;
        self.seats.remove(call.nonce.as_str());
        let is_unsent = self.host_calls.dismiss(seat, call.nonce.as_str());
        Some((call, is_unsent))
    }

    /// A frame of the sandbox's.
    fn take(&mut self, frame: Frame, logs: &pipe::Receiver) -> Result<(), FaultKind> {
        match frame.kind {
            Kind::Log => {
                let line: LogLine = header(&frame)?;
                let Some(seat) = self.seat(&line.nonce, false)? else { return Ok(()) };
                self.with_logs(seat, |logs| logs.push_line(&line));
            }
            Kind::Output => {
                let head: CallNonce = header(&frame)?;
                let Some(seat) = self.seat(&head.nonce, false)? else { return Ok(()) };
                self.with_logs(seat, |logs| logs.push(&frame.body));
            }
            Kind::Call => {
                let head: CallNonce = header(&frame)?;
                if self.seat(&head.nonce, false)?.is_some() {
                    self.host_calls.accept(frame)?;
                }
            }
            Kind::Result => {
                let head: ResultHead = header(&frame)?;
                let Some(seat) = self.seat(&head.nonce, !head.is_streamed)? else { return Ok(()) };
                if head.is_streamed {
                    return self.unstreamed(seat)?.open(head);
                }
                self.unstreamed(seat)?;
                self.answer(seat, Answer::Result(head, frame.body), logs);
            }
            Kind::Failure => {
                let failure: Failure = header(&frame)?;
                let Some(seat) = self.seat(&failure.nonce, true)? else { return Ok(()) };
                self.unstreamed(seat)?;
                self.answer(seat, Answer::Failure(failure), logs);
            }
            Kind::Chunk => return self.take_piece(frame, logs),
            kind => return Err(FaultKind::tainted(format!("a {kind:?} frame while calls run"))),
        }
        Ok(())
    }

    fn take_piece(&mut self, frame: Frame, logs: &pipe::Receiver) -> Result<(), FaultKind> {
        let head: ChunkHead = header(&frame)?;
        let Some(seat) = self.seat(&head.nonce, head.last)? else { return Ok(()) };
        let stream = self.calls.get_mut(&seat).and_then(|call| call.stream.as_mut());
        let Some(stream) = stream else {
            return Err(FaultKind::tainted("a piece of an answer that is not streamed"));
        };
        let is_last = head.last;
        match stream.push(head, frame) {
            Ok(()) => {
                // Its reader may take long, and is not what others' host calls wait for.
                if is_last && let Some(call) = self.calls.get(&seat) {
                    self.host_calls.release_all(seat, call.nonce.as_str());
                }
                self.look_at_stream(seat, logs);
            }
            // The one answer is too long: it breaks off, and the others are none the worse.
            Err(kind @ FaultKind::AnswerTooLarge { .. }) => {
                if let Some((call, _)) = self.remove(seat) {
                    if !is_last {
                        self.abandoned.insert(call.nonce.as_str().to_owned());
                    }
                    call.end(Err(kind));
                }
            }
            Err(kind) => return Err(kind),
        }
        Ok(())
    }

    /// A piece may go on.
    fn pass_on(&mut self, seat: Seat, room: Option<OwnedPermit<Bytes>>, logs: &pipe::Receiver) {
        let Some(call) = self.calls.get_mut(&seat) else { return };
        let Some(stream) = &mut call.stream else { return };
        if stream.pass_on(room) {
            let taken = CallNonce { nonce: call.nonce.as_str().to_owned() };
            let frame = Frame::new(Kind::Taken, &taken, Bytes::new());
            self.host_calls.outbox.push(seat, Purpose::Taken, frame);
        }
        self.look_at_stream(seat, logs);
    }

    /// Waits for room for the next piece, or ends the call where there is no more.
    fn look_at_stream(&mut self, seat: Seat, logs: &pipe::Receiver) {
        let Some(stream) = self.calls.get_mut(&seat).and_then(|call| call.stream.as_mut()) else { return };
        if let Some(streamed) = stream.whole() {
            return self.answer(seat, Answer::Streamed(streamed), logs);
        }
        if let Some(pieces) = stream.wait_for_room() {
            self.rooms.push(Box::pin(async move { (seat, pieces.reserve_owned().await.ok()) }));
        }
    }

    /// Which call a nonce is of; none where it is over for the service. `is_last` where the shim is done with it.
    fn seat(&mut self, nonce: &str, is_last: bool) -> Result<Option<Seat>, FaultKind> {
        if let Some(seat) = self.seats.get(nonce) {
            return Ok(Some(*seat));
        }
        let is_known = if is_last { self.abandoned.remove(nonce) } else { self.abandoned.contains(nonce) };
        if is_known { Ok(None) } else { Err(FaultKind::tainted("an answer to another request")) }
    }

    fn unstreamed(&mut self, seat: Seat) -> Result<&mut Call, FaultKind> {
        match self.calls.get_mut(&seat) {
            Some(call) if call.stream.is_none() => Ok(call),
            _ => Err(FaultKind::tainted("a second answer in a stream")),
        }
    }

    fn with_logs(&self, seat: Seat, push: impl FnOnce(&mut Logs)) {
        if let Some(call) = self.calls.get(&seat) {
            push(&mut call.logs.lock());
        }
    }

    /// Takes some of what is in the log pipe, which is nobody's: it goes to whoever runs for longest. False at its end.
    fn log(&self, pipe: &pipe::Receiver) -> bool {
        let oldest = self.calls.values().next();
        let read = match oldest {
            Some(call) => read_some(pipe, &mut call.logs.lock()),
            None => read_some(pipe, &mut Logs::new(0)),
        };
        read != Some(0)
    }

    /// Takes all that is in the log pipe now.
    fn drain(&self, pipe: &pipe::Receiver) {
        if let Some(oldest) = self.calls.values().next() {
            drain(pipe, &mut oldest.logs.lock());
        }
    }

    /// A call is answered. What the code printed before it is in the pipe by now.
    fn answer(&mut self, seat: Seat, answer: Answer, logs: &pipe::Receiver) {
        self.drain(logs);
        if let Some((call, _)) = self.remove(seat) {
            call.end(Ok(answer));
        }
    }

    /// The sandbox is of no further use: every call learns why.
    async fn fail(&mut self, kind: FaultKind, requests: &pipe::Sender) {
        let is_ended = matches!(kind, FaultKind::Ended);
        if is_ended {
            let until = Instant::now() + GONE_WITHIN;
            while has_reader(requests) && Instant::now() < until {
                sleep(Duration::from_millis(2)).await;
            }
        }
        // What lies in the pipe without a reader has not been seen by anybody, and won't be.
        let is_final = is_ended && !has_reader(requests);
        let unread = if is_final { rustix::io::ioctl_fionread(requests).unwrap_or(0) } else { 0 };
        for (seat, call) in std::mem::take(&mut self.calls) {
            let is_untaken = is_final && self.host_calls.outbox.is_unread(seat, unread);
            call.end(Err(match &kind {
                _ if is_untaken => FaultKind::Untaken,
                FaultKind::Ended | FaultKind::Untaken => FaultKind::Ended,
                FaultKind::Deadline => FaultKind::Deadline,
                FaultKind::AnswerTooLarge { len, limit } => {
                    FaultKind::AnswerTooLarge { len: *len, limit: *limit }
                }
                FaultKind::Tainted(why) => FaultKind::Tainted(why.clone()),
            }));
        }
    }
}
