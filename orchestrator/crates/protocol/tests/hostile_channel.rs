//! The whole channel against peers that do anything to their ends of the pipes: the answer that was made for the call, or
//! a fault by the deadline; never another answer.
//!
//! Short by default; with `CLOUDBOX_TEST_LONG` set, a hundred times as many peers.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::time::Duration;

use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind};
use cloudbox_protocol::{Answer, Channel, Frame, FrameLimits, Kind, Request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout};

/// How long a call may take. The clock is tokio's own: it stands still while somebody works.
const CALL: Duration = Duration::from_secs(2);
const LIMITS: ChannelLimits = ChannelLimits { frame: FrameLimits { header: 2000, body: 2000 }, logs: 1000 };
/// What the right answer says.
const ANSWER: &[u8] = b"the answer";

/// One thing that a peer does after it has read the request.
#[derive(Clone, Debug)]
enum Act {
    /// The right answer.
    Answer,
    /// An answer to nobody's request.
    Forged(String),
    /// A frame of this kind with the right nonce, and a header that may lack the rest.
    Frame(u8),
    /// A host call with this number.
    Call(u64),
    /// A log line of the call.
    Log,
    /// A frame that announces these lengths and brings nothing.
    Announce(u32, u32),
    /// Bytes on the answers' pipe.
    Bytes(Vec<u8>),
    /// Bytes on the logs' pipe.
    Junk(Vec<u8>),
    CloseAnswers,
    CloseLogs,
    Wait(u16),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Answer),
        1 => "[0-9a-f]{0,33}".prop_map(Act::Forged),
        2 => (0_u8..13).prop_map(Act::Frame),
        4 => Just(Act::Log),
        3 => any::<u64>().prop_map(Act::Call),
        1 => any::<(u32, u32)>().prop_map(|(header, body)| Act::Announce(header, body)),
        2 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Act::Bytes),
        3 => proptest::collection::vec(any::<u8>(), 0..3000).prop_map(Act::Junk),
        1 => Just(Act::CloseAnswers),
        1 => Just(Act::CloseLogs),
        2 => (0_u16..3000).prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 0..8)
}

/// The sandbox's ends of the three pipes; each may be closed.
struct Peer {
    requests: pipe::Receiver,
    answers: Option<pipe::Sender>,
    logs: Option<pipe::Sender>,
}

impl Peer {
    async fn play(&mut self, acts: &[Act]) {
        let Ok(request) = Frame::read(&mut self.requests, FrameLimits::default()).await else { return };
        let header: Value = serde_json::from_slice(&request.header).unwrap();
        let nonce = header["nonce"].as_str().unwrap();
        for act in acts {
            match act {
                Act::Wait(ms) => sleep(Duration::from_millis(u64::from(*ms))).await,
                Act::CloseAnswers => self.answers = None,
                Act::CloseLogs => self.logs = None,
                Act::Junk(bytes) => write(&mut self.logs, bytes).await,
                other => write(&mut self.answers, &wire(other, nonce)).await,
            }
        }
    }
}

/// The service may have closed its end: that is what it does with such peers.
async fn write(pipe: &mut Option<pipe::Sender>, bytes: &[u8]) {
    if let Some(open) = pipe {
        let _ = open.write_all(bytes).await;
    }
}

fn wire(act: &Act, nonce: &str) -> Vec<u8> {
    let raw = |kind: u8, header: Value, body: &[u8]| {
        let header = header.to_string();
        let len = |part: usize| u32::try_from(part).unwrap().to_be_bytes();
        [&[kind][..], &len(header.len()), &len(body.len()), header.as_bytes(), body].concat()
    };
    match act {
        Act::Answer => raw(Kind::Result as u8, json!({"nonce": nonce, "status": 200}), ANSWER),
        Act::Forged(nonce) => raw(Kind::Result as u8, json!({"nonce": nonce, "status": 200}), b"forged"),
        Act::Frame(kind) => raw(*kind, json!({"nonce": nonce}), b"forged"),
        Act::Call(id) => raw(Kind::Call as u8, json!({"nonce": nonce, "id": id, "method": "a.b"}), b"1"),
        Act::Log => raw(Kind::Log as u8, json!({"nonce": nonce, "level": "info", "message": "hi"}), b""),
        Act::Announce(header, body) => [&[5][..], &header.to_be_bytes(), &body.to_be_bytes()].concat(),
        Act::Bytes(bytes) => bytes.clone(),
        _ => Vec::new(),
    }
}

/// Whether these acts end in the right answer: nothing but logs of the call comes before it, and it comes in time.
fn is_right(acts: &[Act]) -> bool {
    let mut waited = 0;
    for act in acts {
        match act {
            Act::Answer => return waited < CALL.as_millis(),
            Act::Wait(ms) => waited += u128::from(*ms),
            Act::Bytes(bytes) if bytes.is_empty() => {}
            Act::Log | Act::Call(_) | Act::Junk(_) | Act::CloseLogs => {}
            _ => return false,
        }
    }
    false
}

/// A call, and a second one where the first was answered.
async fn call(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let mut channel = Channel::new(requests_tx, answers_rx, logs_rx, LIMITS);
    let is_right = is_right(&acts);
    let mut peer = Peer { requests, answers: Some(answers), logs: Some(logs) };
    let playing = tokio::spawn(async move {
        peer.play(&acts).await;
        // Its ends stay open until the call is over.
        peer
    });
    let begun = Instant::now();
    let outcome = channel.invoke(request(Bytes::new()), begun + CALL).await;
    prop_assert!(begun.elapsed() <= CALL + Duration::from_millis(10), "{:?}", begun.elapsed());
    match &outcome {
        Ok(reply) => {
            let Answer::Result(head, body) = &reply.answer else {
                return Err(TestCaseError::fail("a failure that nobody sent"));
            };
            prop_assert!(is_right && head.status == 200 && &body[..] == ANSWER, "{body:?}");
        }
        Err(fault) => prop_assert!(!is_right, "{fault}"),
    }
    let is_answered = outcome.is_ok();
    let logs = outcome.map_or_else(|fault| fault.logs, |reply| reply.logs).into_text();
    // A byte that is no text becomes three, and the last line says what was cut.
    prop_assert!(logs.len() <= LIMITS.logs * 3 + 100, "{} bytes of logs", logs.len());
    if !is_answered {
        prop_assert!(!channel.is_clean());
    }
    // Whatever the rest of the acts was, no second call is answered: the peer serves one request.
    let second = timeout(2 * CALL, channel.invoke(request(Bytes::new()), Instant::now() + CALL)).await;
    prop_assert!(matches!(second, Ok(Err(_))), "{second:?}");
    playing.abort();
    Ok(())
}

#[test]
fn c6_no_peer_gets_a_wrong_answer_through() {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is said in the environment")]
    let is_long = std::env::var_os("CLOUDBOX_TEST_LONG").is_some_and(|value| !value.is_empty());
    let config = ProptestConfig {
        cases: if is_long { 200_000 } else { 2000 },
        failure_persistence: None,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    TestRunner::new(config).run(&acts(), |acts| runtime.block_on(call(acts))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn c6_a_byte_now_and_then_wins_no_time() {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (mut answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let mut channel = Channel::new(requests_tx, answers_rx, logs_rx, LIMITS);
    let trickle = tokio::spawn(async move {
        let _ends = (requests, logs);
        for byte in wire(&Act::Announce(1000, 1000), "").into_iter().chain(std::iter::repeat(b'x')) {
            sleep(Duration::from_millis(100)).await;
            if answers.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let begun = Instant::now();
    let fault = channel.invoke(request(Bytes::new()), begun + CALL).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Deadline), "{fault}");
    assert!(begun.elapsed() <= CALL + Duration::from_millis(10), "{:?}", begun.elapsed());
    drop(channel);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c6_a_request_that_nobody_reads_ends_at_the_deadline() {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let mut channel = Channel::new(requests_tx, answers_rx, logs_rx, LIMITS);
    let begun = Instant::now();
    let body = Bytes::from(vec![0; 4 << 20]);
    let fault = channel.invoke(request(body), begun + CALL).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Deadline), "{fault}");
    assert!(begun.elapsed() <= CALL + Duration::from_millis(10), "{:?}", begun.elapsed());
    drop((requests, answers, logs));
}

fn request(body: Bytes) -> Request {
    Request::without_host(invoke::invoke(), body)
}
