//! The host calls of the calls that a sandbox has: accepted, carried out a few at a time, and answered, while frames go on
//! being read.
//!
//! The other end may send calls and read no reply. Then the pipe fills up, results wait, at most [`MAX_IN_FLIGHT`]
//! calls are held, and the exchange goes on until its deadline: reading never waits for writing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout_at};

use super::fault::FaultKind;
use super::outbox::{Outbox, Purpose, Seat};
use super::parts::header;
use crate::frame::{Frame, Kind};
use crate::host::{
    Host, HostError, MAX_CALLS, MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES, MAX_METHOD_BYTES, MAX_REPLY_BYTES,
    MAX_RUNNING, READ_BODY,
};
use crate::message::{CallHead, ReplyHead};

/// How long the rest of a reply may take, whose beginning was written when the answer came.
const REST_WITHIN: Duration = Duration::from_secs(1);

type Done = (Seat, CallHead, Result<Bytes, HostError>);

/// A call of the handler that may make host calls.
struct Caller {
    seat: Seat,
    host: Arc<dyn Host>,
    made: u32,
    /// Whether the call is over for the service, though not for the shim: then each of these is told so.
    is_over: bool,
}

/// A host call whose reply is not written yet.
struct InFlight {
    /// Of its arguments.
    bytes: usize,
    room: Room,
    /// While it is carried out.
    running: Option<AbortHandle>,
    /// Whether its reply waits to be written.
    is_replied: bool,
}

/// What a host call takes of the room for those that are carried out, until its reply is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    None,
    /// One of [`MAX_RUNNING`].
    Shared,
    /// The one place of its caller for the request's body: a slow upload keeps nobody else waiting.
    Body,
}

/// One that is to be carried out when there is room.
struct Waiting {
    seat: Seat,
    head: CallHead,
    arguments: Bytes,
}

impl Waiting {
    fn is_read(&self) -> bool {
        self.head.method == READ_BODY
    }
}

/// The host calls of a sandbox.
#[derive(Default)]
pub(super) struct Calls {
    /// By the nonces of their calls.
    callers: HashMap<String, Caller>,
    in_flight: HashMap<(Seat, u64), InFlight>,
    waiting: VecDeque<Waiting>,
    running: FuturesUnordered<Abortable<BoxFuture<'static, Done>>>,
    /// How many of a call have a shared room, where some have; `MAX_RUNNING` together.
    shared: HashMap<Seat, usize>,
    /// Callers whose place for the body is taken.
    readers: HashSet<Seat>,
    /// What is written to the sandbox, these replies among it.
    pub(super) outbox: Outbox,
}

impl Calls {
    /// A call begins that may make some.
    pub(super) fn admit(&mut self, seat: Seat, nonce: &str, host: Arc<dyn Host>) {
        self.callers.insert(nonce.to_owned(), Caller { seat, host, made: 0, is_over: false });
    }

    /// Whether there is nothing to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.running.is_empty() && self.outbox.is_empty()
    }

    /// Takes a call on.
    pub(super) fn accept(&mut self, frame: Frame) -> Result<(), FaultKind> {
        let head: CallHead = header(&frame)?;
        let Some(caller) = self.callers.get_mut(&head.nonce) else {
            return Err(FaultKind::tainted("a host call of another request"));
        };
        let bytes: usize = self.in_flight.values().map(|call| call.bytes).sum();
        if self.in_flight.len() >= MAX_IN_FLIGHT || bytes + frame.body.len() > MAX_IN_FLIGHT_BYTES {
            return Err(FaultKind::tainted("more host calls at the same time than any shim makes"));
        }
        let (seat, id) = (caller.seat, head.id);
        let bytes = frame.body.len();
        let in_flight = InFlight { bytes, room: Room::None, running: None, is_replied: false };
        if self.in_flight.insert((seat, id), in_flight).is_some() {
            return Err(FaultKind::tainted(format!("a second host call {id} while the first is under way")));
        }
        caller.made = caller.made.saturating_add(u32::from(head.method != READ_BODY));
        if caller.is_over {
            self.reply(seat, id, &head.nonce, Err(no_call()));
        } else if caller.made > MAX_CALLS {
            let message = format!("this call has made {MAX_CALLS} host calls; that is the limit");
            self.reply(seat, id, &head.nonce, Err(HostError::new("TOO_MANY_CALLS", message)));
        } else if head.method.len() > MAX_METHOD_BYTES {
            self.reply(seat, id, &head.nonce, Err(HostError::unknown_method(&head.method)));
        } else {
            self.waiting.push_back(Waiting { seat, head, arguments: frame.body });
        }
        Ok(())
    }

    /// One step on: a call is done, or a piece of a frame is written; if that was a whole one, which. May be dropped and
    /// called again.
    pub(super) async fn advance(
        &mut self,
        requests: &mut pipe::Sender,
    ) -> Result<Option<(Seat, Purpose)>, FaultKind> {
        self.start();
        let Self { running, outbox, .. } = self;
        tokio::select! {
            Some(done) = running.next(), if !running.is_empty() => {
                // One that was broken off has nobody to tell.
                if let Ok((seat, head, result)) = done {
                    self.reply(seat, head.id, &head.nonce, result);
                }
                Ok(None)
            }
            written = outbox.write_some(requests), if !outbox.is_empty() => {
                let written = written?;
                if let Some((seat, Purpose::Reply(id))) = written {
                    self.release(seat, id);
                }
                Ok(written)
            }
        }
    }

    /// The next one that there is room for: of the call that has the fewest under way, so that none keeps others waiting. One of
    /// several leaves the last place to them.
    fn next(&self) -> Option<usize> {
        let has_room = self.shared.values().sum::<usize>() < MAX_RUNNING;
        let most = if self.callers.len() > 1 { MAX_RUNNING - 1 } else { MAX_RUNNING };
        let may_begin = |call: &Waiting| match call.is_read() {
            true => !self.readers.contains(&call.seat),
            false => has_room && self.shared.get(&call.seat).is_none_or(|held| *held < most),
        };
        let waiting = self.waiting.iter().enumerate().filter(|(_, call)| may_begin(call));
        let fewest = waiting.min_by_key(|(_, call)| match call.is_read() {
            true => 0,
            false => self.shared.get(&call.seat).copied().unwrap_or_default(),
        });
        fewest.map(|(at, _)| at)
    }

    /// Begins what waits, as far as there is room for results.
    fn start(&mut self) {
        while let Some(at) = self.next() {
            let Some(Waiting { seat, head, arguments }) = self.waiting.remove(at) else { return };
            let Some(caller) = self.callers.get(&head.nonce) else { continue };
            let Some(in_flight) = self.in_flight.get_mut(&(seat, head.id)) else { continue };
            in_flight.room = if head.method == READ_BODY { Room::Body } else { Room::Shared };
            match in_flight.room {
                Room::Body => drop(self.readers.insert(seat)),
                _ => *self.shared.entry(seat).or_default() += 1,
            }
            let (handle, registration) = AbortHandle::new_pair();
            in_flight.running = Some(handle);
            let host = Arc::clone(&caller.host);
            let call: BoxFuture<'static, Done> = Box::pin(async move {
                let result = host.call(&head.method, arguments).await;
                (seat, head, result)
            });
            self.running.push(Abortable::new(call, registration));
        }
    }

    /// Has the result of a host call written, unless nobody waits for it any more.
    fn reply(&mut self, seat: Seat, id: u64, nonce: &str, result: Result<Bytes, HostError>) {
        let Some(in_flight) = self.in_flight.get_mut(&(seat, id)) else { return };
        in_flight.is_replied = true;
        let result = result.and_then(|body| match body.len() {
            0..=MAX_REPLY_BYTES => Ok(body),
            len => Err(HostError::new(
                "REPLY_TOO_LARGE",
                format!("the result of this host call has {len} bytes; the limit is {MAX_REPLY_BYTES}"),
            )),
        });
        let head = ReplyHead { nonce: nonce.to_owned(), id, ok: result.is_ok() };
        let body = result
            .unwrap_or_else(|error| serde_json::to_vec(&error).expect("two strings always serialise").into());
        self.outbox.push(seat, Purpose::Reply(id), Frame::new(Kind::Reply, &head, body));
    }

    /// A host call is over: its reply is written, or nobody wants it any more.
    fn release(&mut self, seat: Seat, id: u64) {
        if let Some(in_flight) = self.in_flight.remove(&(seat, id)) {
            self.leave_room(seat, in_flight.room);
            if let Some(running) = in_flight.running {
                running.abort();
            }
        }
    }

    fn leave_room(&mut self, seat: Seat, room: Room) {
        match room {
            Room::None => {}
            Room::Shared => {
                let left = self.shared.get_mut(&seat).map_or(0, |held| {
                    *held -= 1;
                    *held
                });
                if left == 0 {
                    self.shared.remove(&seat);
                }
            }
            Room::Body => drop(self.readers.remove(&seat)),
        }
    }

    /// One of several calls is over for the service alone: each host call that it has under way, and each that it still
    /// makes, is told so. The shim would otherwise count them for as long as the call's code waits.
    pub(super) fn turn_away(&mut self, seat: Seat, nonce: &str) {
        if let Some(caller) = self.callers.get_mut(nonce) {
            caller.is_over = true;
        }
        self.waiting.retain(|call| call.seat != seat);
        let mut unanswered = Vec::new();
        for ((_, id), call) in self.in_flight.iter_mut().filter(|((of, _), _)| *of == seat) {
            if !call.is_replied {
                let room = std::mem::replace(&mut call.room, Room::None);
                unanswered.push((*id, room, call.running.take()));
            }
        }
        for (id, room, running) in unanswered {
            self.leave_room(seat, room);
            if let Some(running) = running {
                running.abort();
            }
            self.reply(seat, id, nonce, Err(no_call()));
        }
        self.outbox.forget(seat, |purpose| matches!(purpose, Purpose::Reply(_)));
    }

    /// One of several calls is over on both sides: what it has under way is dropped, but for a frame that is half written.
    pub(super) fn dismiss(&mut self, seat: Seat, nonce: &str) {
        self.callers.remove(nonce);
        self.waiting.retain(|call| call.seat != seat);
        let ids: Vec<u64> = self.in_flight.keys().filter(|(of, _)| *of == seat).map(|(_, id)| *id).collect();
        ids.into_iter().for_each(|id| self.release(seat, id));
        self.outbox.forget(seat, |_| false);
    }

    /// After the answer of the only call: what is under way is dropped, and a reply that is half written is written to its
    /// end, so that the next request begins where a frame may begin. False where nobody takes it.
    pub(super) async fn end(self, requests: &mut pipe::Sender, deadline: Instant) -> bool {
        drop(self.running);
        let Some(mut rest) = self.outbox.into_rest() else { return true };
        let patience = deadline.min(Instant::now() + REST_WITHIN);
        matches!(timeout_at(patience, requests.write_all_buf(&mut rest)).await, Ok(Ok(())))
    }
}

fn no_call() -> HostError {
    HostError::new("NO_CALL", "the call that this host call is made for is over")
}
