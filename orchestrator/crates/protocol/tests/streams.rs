//! Streamed answers over the channel: as they come, as fast as they are taken, and by the rules.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind};
use cloudbox_protocol::message::{Invoke, ResultMode};
use cloudbox_protocol::stream::{Inlet, MAX_CHUNK_BYTES, stream};
use cloudbox_protocol::{Answer, Channel, Frame, FrameLimits, Kind, NoHost, Request, Streamed};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

const CALL: Duration = Duration::from_secs(20);

/// The sandbox's ends of the three pipes.
struct Shim {
    requests: pipe::Receiver,
    answers: pipe::Sender,
    _logs: pipe::Sender,
    nonce: Value,
    /// Bytes of pieces that were written.
    written: usize,
}

impl Shim {
    async fn begin(&mut self) {
        let frame = Frame::read(&mut self.requests, FrameLimits::default()).await.unwrap();
        let header: Value = serde_json::from_slice(&frame.header).unwrap();
        self.nonce = header["nonce"].clone();
    }

    async fn send(&mut self, kind: Kind, mut header: Value, body: &[u8]) {
        header["nonce"] = self.nonce.clone();
        let frame = Frame::new(kind, &header, Bytes::copy_from_slice(body));
        // The service may have closed its end: that is what it does with peers that break the protocol.
        let _ = self.answers.write_all(&frame.encode()).await;
    }

    async fn head(&mut self) {
        self.send(Kind::Result, json!({"status": 200, "is_streamed": true}), b"").await;
    }

    async fn piece(&mut self, body: &[u8]) {
        self.send(Kind::Chunk, json!({"last": false}), body).await;
        self.written += body.len();
    }

    async fn last(&mut self) {
        self.send(Kind::Chunk, json!({"last": true}), b"").await;
    }
}

fn pair() -> (Channel, Shim) {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let channel = Channel::new(requests_tx, answers_rx, logs_rx, ChannelLimits::default());
    (channel, Shim { requests, answers, _logs: logs, nonce: Value::Null, written: 0 })
}

fn invoke() -> Invoke {
    Invoke { mode: ResultMode::Http, ..invoke::invoke() }
}

/// A request whose answer may have `limit` bytes, and where it comes out.
fn request(limit: u64) -> (Request, Inlet) {
    let (outlet, inlet, _) = stream(limit);
    (Request { invoke: invoke(), body: Bytes::new(), host: Arc::new(NoHost), outlet: Some(outlet) }, inlet)
}

/// One exchange with a peer that does as `play` says, and nobody who looks at the answer.
async fn exchange(play: impl AsyncFnOnce(&mut Shim)) -> Result<Answer, FaultKind> {
    let (mut channel, mut shim) = pair();
    let (request, _) = request(1 << 20);
    let playing = async {
        shim.begin().await;
        play(&mut shim).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = channel.invoke(request, Instant::now() + CALL) => outcome,
        () = playing => unreachable!(),
    };
    assert_eq!(channel.is_clean(), outcome.is_ok());
    outcome.map(|reply| reply.answer).map_err(|fault| fault.kind)
}

#[tokio::test]
async fn each_piece_comes_out_before_the_next_one_is_made() {
    let (mut channel, mut shim) = pair();
    let (request, inlet) = request(100);
    let (go, gone) = tokio::sync::oneshot::channel();
    let serve = async {
        shim.begin().await;
        shim.head().await;
        shim.piece(b"one").await;
        gone.await.unwrap();
        shim.send(Kind::Log, json!({"level": "info", "message": "half way"}), b"").await;
        shim.piece(b"two").await;
        shim.last().await;
    };
    let read = async {
        let (head, mut rest) = inlet.opened().await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(rest.next().await.unwrap(), "one");
        go.send(()).unwrap();
        assert_eq!(rest.next().await.unwrap(), "two");
        assert_eq!(rest.next().await, None);
    };
    let (reply, (), ()) = tokio::join!(channel.invoke(request, Instant::now() + CALL), serve, read);
    let reply = reply.unwrap();
    let Answer::Streamed(Streamed { bytes: 6, failure: None, .. }) = reply.answer else {
        panic!("{reply:?}")
    };
    assert_eq!(reply.logs.into_text(), "[INFO] half way\n");
    assert!(channel.is_clean());
}

/// What is between the two: a full pipe, and a few pieces here.
#[tokio::test]
async fn a_reader_that_takes_nothing_stops_the_writer() {
    const PIECE: usize = 64 << 10;
    let (mut channel, mut shim) = pair();
    let (request, inlet) = request(u64::MAX);
    let deadline = Instant::now() + Duration::from_secs(2);
    let writing = async {
        shim.begin().await;
        shim.head().await;
        loop {
            shim.piece(&[b'x'; PIECE]).await;
        }
    };
    let outcome = tokio::select! {
        outcome = channel.invoke(request, deadline) => outcome,
        () = writing => unreachable!(),
    };
    assert!(matches!(outcome.unwrap_err().kind, FaultKind::Deadline));
    assert!(shim.written <= 8 * PIECE, "{} bytes were written", shim.written);
    let (_, mut rest) = inlet.opened().await.unwrap();
    let mut held = 0;
    while let Some(piece) = rest.next().await {
        held += piece.len();
    }
    assert!(held <= 4 * PIECE && !rest.is_whole(), "{held} bytes were held");
}

#[tokio::test]
async fn a_reader_that_goes_away_does_not_end_the_answer() {
    let outcome = exchange(async |shim| {
        shim.head().await;
        for _ in 0..3 {
            shim.piece(&[b'x'; MAX_CHUNK_BYTES]).await;
        }
        shim.last().await;
    })
    .await;
    assert!(matches!(outcome, Ok(Answer::Streamed(Streamed { bytes: 786_432, .. }))), "{outcome:?}");
}

#[tokio::test]
async fn what_breaks_off_says_why_and_what_it_left() {
    let outcome = exchange(async |shim| {
        shim.head().await;
        let failure = json!({"kind": "error", "message": "half way", "stack": "s"});
        shim.send(Kind::Chunk, json!({"last": true, "failure": failure, "survivors": ["timer"]}), b"").await;
    })
    .await;
    let Ok(Answer::Streamed(streamed)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(streamed.failure.unwrap().message, "half way");
    assert_eq!(streamed.survivors, ["timer"]);
}

#[tokio::test]
async fn answers_that_break_the_rules_are_faults() {
    let tainted = |outcome: Result<Answer, FaultKind>| {
        assert!(matches!(outcome, Err(FaultKind::Tainted(_))), "{outcome:?}");
    };
    tainted(exchange(async |shim| shim.piece(b"before the head").await).await);
    tainted(
        exchange(async |shim| {
            shim.head().await;
            shim.head().await;
        })
        .await,
    );
    tainted(
        exchange(async |shim| {
            shim.head().await;
            shim.send(Kind::Failure, json!({"kind": "error", "message": "m"}), b"").await;
        })
        .await,
    );
    tainted(
        exchange(async |shim| {
            shim.head().await;
            shim.nonce = json!("0");
            shim.piece(b"x").await;
        })
        .await,
    );
    tainted(
        exchange(async |shim| {
            shim.head().await;
            shim.piece(&vec![b'x'; MAX_CHUNK_BYTES + 1]).await;
        })
        .await,
    );
    let outcome = exchange(async |shim| {
        shim.head().await;
        for _ in 0..5 {
            shim.piece(&[b'x'; MAX_CHUNK_BYTES]).await;
        }
    })
    .await;
    assert!(matches!(outcome, Err(FaultKind::AnswerTooLarge { .. })), "{outcome:?}");
    // Who did not ask for a stream gets none.
    let (mut channel, mut shim) = pair();
    let serve = async {
        shim.begin().await;
        shim.head().await;
        shim
    };
    let request = Request::without_host(invoke(), Bytes::new());
    let (outcome, _shim) = tokio::join!(channel.invoke(request, Instant::now() + CALL), serve);
    assert!(matches!(outcome.unwrap_err().kind, FaultKind::Tainted(_)));
}
