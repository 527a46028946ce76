//! The task that owns the pipes of a sandbox with several calls.

mod pieces;
mod printed;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use tokio::io::BufReader;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::sync::mpsc::OwnedPermit;

use super::super::answers::Answers;
use super::super::between::{has_reader, nobody_reads};
use super::super::calls::Calls;
use super::super::fault::FaultKind;
use super::super::outbox::{Purpose, Seat};
use super::super::parts::header;
use super::super::{Answer, Channel};
use super::Order;
use super::call::Call;
use crate::frame::{Frame, FrameError, FrameLimits, Kind};
use crate::message::{CallNonce, Failure, LogLine, ResultHead};

/// How long the last reader of requests may take to be gone after the answers' pipe closed.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How many calls' fill the logs of all calls of a sandbox may be together.
const LOGS: usize = 8;

/// Room for the next piece of a streamed answer; none where its reader has gone.
type Room = (Seat, Option<OwnedPermit<Bytes>>);

/// All that the task has.
pub(super) struct Talk {
    requests: pipe::Sender,
    answers: BufReader<Answers>,
    limits: FrameLimits,
    logs: Arc<pipe::Receiver>,
    table: Table,
}

/// The calls, and what is to be done for them.
struct Table {
    /// Whether no further call may begin: the callers say so, too.
    is_closed: Arc<AtomicBool>,
    /// The oldest first.
    calls: BTreeMap<Seat, Call>,
    seats: HashMap<String, Seat>,
    /// Calls that are over for the service, while the shim has not answered them, by their nonces.
    abandoned: HashMap<String, Seat>,
    host_calls: Calls,
    rooms: FuturesUnordered<BoxFuture<'static, Room>>,
    /// Streamed answers that the shim has sent, and whose last pieces are still on their way.
    deliveries: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Whether the sandbox takes nothing any more; what it has said before is still heard.
    is_deaf: bool,
    /// What the logs of all calls weigh.
    log_bytes: usize,
    /// What they may weigh.
    log_limit: usize,
}

impl Talk {
    pub(super) fn new(channel: Channel, is_closed: Arc<AtomicBool>) -> Self {
        let Channel { requests, answers, logs, limits, .. } = channel;
        let table = Table {
            is_closed,
            calls: BTreeMap::new(),
            seats: HashMap::new(),
            abandoned: HashMap::new(),
            host_calls: Calls::default(),
            rooms: FuturesUnordered::new(),
            deliveries: FuturesUnordered::new(),
            is_deaf: false,
            log_bytes: 0,
            log_limit: LOGS * limits.logs,
        };
        Self { requests, answers, limits: limits.frame, logs, table }
    }

    /// Serves calls until the sandbox ends, breaks the protocol, or nobody asks for more.
    pub(super) async fn go_on(self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Self { mut requests, answers, limits, logs, mut table } = self;
        let ended = {
            let frames = stream::unfold(answers, |mut answers| async move {
                Some((Frame::read(&mut answers, limits).await, answers))
            });
            tokio::pin!(frames);
            table.serve(&mut requests, frames, &logs, &mut orders).await
        };
        table.close();
        table.drain(&logs);
        // Who comes now finds nobody: the order is dropped, and with it the call.
        orders.close();
        while orders.try_recv().is_ok() {}
        if let Some(kind) = ended {
            table.fail(kind, &requests).await;
        }
        table.rooms.clear();
        // What was sent as a whole is nobody else's business.
        while table.deliveries.next().await.is_some() {}
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
            let Self { host_calls, rooms, deliveries, is_deaf, .. } = self;
            // None of them first: a flood of one must not keep the others back.
            let step = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => {
                        self.obey(order);
                        Ok(())
                    }
                    None => return None,
                },
                Some(frame) = frames.next() => match frame {
                    Ok(frame) => self.take(frame, logs),
                    Err(error) => Err(self.explain(error)),
                },
                advanced = host_calls.advance(requests), if !*is_deaf && !host_calls.is_idle() => {
                    match advanced {
                        Ok(written) => self.written(written),
                        Err(_) => self.go_deaf(),
                    }
                    Ok(())
                }
                Some(()) = deliveries.next(), if !deliveries.is_empty() => Ok(()),
                Some((seat, room)) = rooms.next(), if !rooms.is_empty() => {
                    self.pass_on(seat, room);
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

    /// No further call begins.
    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Among several calls it is not known whose answer it was that is too long to be read.
    fn explain(&self, error: FrameError) -> FaultKind {
        match error {
            FrameError::BodyTooLong { .. } if self.calls.len() > 1 => FaultKind::tainted(error.to_string()),
            error => error.into(),
        }
    }

    /// A frame has gone out.
    fn written(&mut self, frame: Option<(Seat, Purpose)>) {
        if let Some((seat, Purpose::Taken)) = frame
            && let Some(stream) = self.calls.get_mut(&seat).and_then(|call| call.stream.as_mut())
        {
            stream.told();
        }
    }

    /// Nobody reads requests any more. What was answered before is in the pipe of the answers, whose end is the end.
    fn go_deaf(&mut self) {
        self.is_deaf = true;
        self.close();
        let unsent: Vec<Seat> =
            self.calls.keys().copied().filter(|seat| self.host_calls.outbox.is_unsent(*seat)).collect();
        for seat in unsent {
            if let Some(call) = self.remove(seat) {
                call.end(Err(FaultKind::Untaken));
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            // It is dropped, and says so.
            Order::Begin(..) if self.is_deaf => {}
            Order::Begin(mut call, frame) => {
                call.is_begun = true;
                let (seat, nonce) = (call.seat, call.nonce.as_str());
                self.host_calls.admit(seat, nonce, Arc::clone(&call.host));
                self.host_calls.outbox.push(seat, Purpose::Invoke, frame);
                self.seats.insert(nonce.to_owned(), seat);
                self.calls.insert(seat, *call);
            }
            Order::Abandon(seat) => drop(self.abandon(seat)),
        }
    }

    /// A call is over for the service, and goes on in the sandbox.
    fn abandon(&mut self, seat: Seat) -> Option<Call> {
        let call = self.take_out(seat)?;
        let nonce = call.nonce.as_str();
        if self.host_calls.outbox.is_unsent(seat) {
            // It never got there.
            self.host_calls.dismiss(seat, nonce);
        } else {
            self.host_calls.turn_away(seat, nonce);
            self.abandoned.insert(nonce.to_owned(), seat);
        }
        Some(call)
    }

    /// Takes a call out that is over on both sides.
    fn remove(&mut self, seat: Seat) -> Option<Call> {
        let call = self.take_out(seat)?;
        self.host_calls.dismiss(seat, call.nonce.as_str());
        Some(call)
    }

    fn take_out(&mut self, seat: Seat) -> Option<Call> {
        let call = self.calls.remove(&seat)?;
        self.seats.remove(call.nonce.as_str());
        self.log_bytes -= call.logs.lock().weight().min(self.log_bytes);
        Some(call)
    }

    /// A frame of the sandbox's.
    fn take(&mut self, frame: Frame, logs: &pipe::Receiver) -> Result<(), FaultKind> {
        match frame.kind {
            Kind::Log => {
                let line: LogLine = header(&frame)?;
                let Some(seat) = self.seat(&line.nonce, false)? else { return Ok(()) };
                self.with_logs(seat, frame.header.len(), |logs| logs.push_line(&line));
            }
            Kind::Output => {
                let head: CallNonce = header(&frame)?;
                let Some(seat) = self.seat(&head.nonce, false)? else { return Ok(()) };
                self.with_logs(seat, frame.body.len(), |logs| logs.push(&frame.body));
            }
            Kind::Call => {
                let head: CallNonce = header(&frame)?;
                // One of a call that is over is told so.
                self.seat(&head.nonce, false)?;
                self.host_calls.accept(frame)?;
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

    /// Which call a nonce is of; none where it is over for the service. `is_last` where the shim is done with it.
    fn seat(&mut self, nonce: &str, is_last: bool) -> Result<Option<Seat>, FaultKind> {
        if let Some(seat) = self.seats.get(nonce) {
            return Ok(Some(*seat));
        }
        let Some(seat) = self.abandoned.get(nonce).copied() else {
            return Err(FaultKind::tainted("an answer to another request"));
        };
        if is_last {
            self.abandoned.remove(nonce);
            self.host_calls.dismiss(seat, nonce);
        }
        Ok(None)
    }

    fn unstreamed(&mut self, seat: Seat) -> Result<&mut Call, FaultKind> {
        match self.calls.get_mut(&seat) {
            Some(call) if call.stream.is_none() => Ok(call),
            _ => Err(FaultKind::tainted("a second answer in a stream")),
        }
    }

    /// A call is answered. What the code printed before it is in the pipe by now.
    fn answer(&mut self, seat: Seat, answer: Answer, logs: &pipe::Receiver) {
        self.drain(logs);
        if let Some(call) = self.remove(seat) {
            call.end(Ok(answer));
        }
    }

    /// The sandbox is of no further use: every call learns why.
    async fn fail(&mut self, kind: FaultKind, requests: &pipe::Sender) {
        let is_ended = matches!(kind, FaultKind::Ended);
        if is_ended {
            nobody_reads(requests, GONE_WITHIN).await;
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
