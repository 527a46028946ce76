//! The host calls of one exchange: accepted, carried out a few at a time, and answered, while frames go on being read.
//!
//! The other end may send calls and read no reply. Then the pipe fills up, results wait, at most [`MAX_IN_FLIGHT`]
//! calls are held, and the exchange goes on until its deadline: reading never waits for writing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout_at};

use super::fault::FaultKind;
use super::parts::{check, header};
use crate::frame::{Frame, Kind};
use crate::host::{
    Host, HostError, MAX_CALLS, MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES, MAX_METHOD_BYTES, MAX_REPLY_BYTES,
    MAX_RUNNING, READ_BODY,
};
use crate::message::{CallHead, ReplyHead};
use crate::nonce::Nonce;

/// How long the rest of a reply may take, whose beginning was written when the answer came.
const REST_WITHIN: Duration = Duration::from_secs(1);

type Done = (u64, Result<Bytes, HostError>);

/// A reply on its way into the pipe.
struct Outgoing {
    id: u64,
    bytes: Chain<Bytes, Bytes>,
    is_begun: bool,
}

/// The host calls of one exchange.
pub(super) struct Calls {
    host: Arc<dyn Host>,
    nonce: String,
    /// Bytes of arguments, by id, of each call whose reply is not written yet.
    in_flight: HashMap<u64, usize>,
    waiting: VecDeque<(u64, String, Bytes)>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    outgoing: VecDeque<Outgoing>,
    made: u32,
}

impl Calls {
    pub(super) fn new(host: Arc<dyn Host>, nonce: &Nonce) -> Self {
        Self {
            host,
            nonce: nonce.as_str().to_owned(),
            in_flight: HashMap::new(),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            outgoing: VecDeque::new(),
            made: 0,
        }
    }

    /// Whether no call is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Takes a call on.
    pub(super) fn accept(&mut self, frame: Frame, nonce: &Nonce) -> Result<(), FaultKind> {
        let head: CallHead = header(&frame)?;
        check(Some(nonce), &head.nonce)?;
        let bytes: usize = self.in_flight.values().sum();
        if self.in_flight.len() >= MAX_IN_FLIGHT || bytes + frame.body.len() > MAX_IN_FLIGHT_BYTES {
            return Err(FaultKind::tainted("more host calls at the same time than any shim makes"));
        }
        if self.in_flight.insert(head.id, frame.body.len()).is_some() {
            return Err(FaultKind::tainted(format!(
                "a second host call {} while the first is under way",
                head.id
            )));
        }
        self.made = self.made.saturating_add(u32::from(head.method != READ_BODY));
        if self.made > MAX_CALLS {
            let message = format!("this call has made {MAX_CALLS} host calls; that is the limit");
            self.reply(head.id, Err(HostError::new("TOO_MANY_CALLS", message)));
        } else if head.method.len() > MAX_METHOD_BYTES {
            self.reply(head.id, Err(HostError::unknown_method(&head.method)));
        } else {
            self.waiting.push_back((head.id, head.method, frame.body));
        }
        Ok(())
    }

    /// One step on: a call is done, or a piece of a reply is written. May be dropped and called again.
    pub(super) async fn advance(&mut self, requests: &mut pipe::Sender) -> Result<(), FaultKind> {
        self.start();
        let Self { running, outgoing, .. } = self;
        let done = tokio::select! {
            Some(done) = running.next(), if !running.is_empty() => Some(done),
            written = write_some(requests, outgoing.front_mut()), if !outgoing.is_empty() => {
                written?;
                None
            }
        };
        match done {
            Some((id, result)) => self.reply(id, result),
            None => self.forget_written(),
        }
        Ok(())
    }

    /// Begins what waits, as far as there is room for results.
    fn start(&mut self) {
        while self.running.len() + self.outgoing.len() < MAX_RUNNING
            && let Some((id, method, arguments)) = self.waiting.pop_front()
        {
            let host = Arc::clone(&self.host);
            self.running.push(Box::pin(async move { (id, host.call(&method, arguments).await) }));
        }
    }

    fn reply(&mut self, id: u64, result: Result<Bytes, HostError>) {
        let result = result.and_then(|body| match body.len() {
            0..=MAX_REPLY_BYTES => Ok(body),
            len => Err(HostError::new(
                "REPLY_TOO_LARGE",
                format!("the result of this host call has {len} bytes; the limit is {MAX_REPLY_BYTES}"),
            )),
        });
        let head = ReplyHead { nonce: self.nonce.clone(), id, ok: result.is_ok() };
        let body = result
            .unwrap_or_else(|error| serde_json::to_vec(&error).expect("two strings always serialise").into());
        let frame = Frame::new(Kind::Reply, &head, body);
        self.outgoing.push_back(Outgoing { id, bytes: frame.head().chain(frame.body), is_begun: false });
    }

    fn forget_written(&mut self) {
        if self.outgoing.front().is_some_and(|front| !front.bytes.has_remaining())
            && let Some(written) = self.outgoing.pop_front()
        {
            self.in_flight.remove(&written.id);
        }
    }

    /// After the answer: what is under way is dropped, and a reply that is half written is written to its end, so that
    /// the next request begins where a frame may begin. False where nobody takes it.
    pub(super) async fn end(mut self, requests: &mut pipe::Sender, deadline: Instant) -> bool {
        self.running.clear();
        let Some(front) = self.outgoing.pop_front().filter(|front| front.is_begun) else { return true };
        let mut rest = front.bytes;
        let patience = deadline.min(Instant::now() + REST_WITHIN);
        matches!(timeout_at(patience, requests.write_all_buf(&mut rest)).await, Ok(Ok(())))
    }
}

async fn write_some(requests: &mut pipe::Sender, front: Option<&mut Outgoing>) -> Result<(), FaultKind> {
    let Some(front) = front else { return Ok(()) };
    match requests.write_buf(&mut front.bytes).await {
        Ok(0) | Err(_) => Err(FaultKind::Ended),
        Ok(_) => {
            front.is_begun = true;
            Ok(())
        }
    }
}
