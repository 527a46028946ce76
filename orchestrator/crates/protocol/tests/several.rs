//! Several calls at once over one channel: with a shim that behaves, and with peers that don't.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind, Several};
use cloudbox_protocol::host::{MAX_IN_FLIGHT, MAX_RUNNING, READ_BODY};
use cloudbox_protocol::stream::{Rest, stream};
use cloudbox_protocol::{
    Answer, Channel, Fault, Frame, FrameLimits, Host, HostError, Kind, NoHost, Reply, Request,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const CALL: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(50);

type Called = JoinHandle<Result<Reply<Answer>, Fault>>;

/// The sandbox's ends of the three pipes.
struct Shim {
    requests: pipe::Receiver,
    answers: pipe::Sender,
    logs: pipe::Sender,
}

fn pair() -> (Arc<Several>, Shim) {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let channel = Channel::new(requests_tx, answers_rx, logs_rx, ChannelLimits::default());
    (Arc::new(channel.into_several(10)), Shim { requests, answers, logs })
}

impl Shim {
    async fn read(&mut self) -> (Kind, Value, Bytes) {
        let frame = Frame::read(&mut self.requests, FrameLimits::default()).await.unwrap();
        (frame.kind, serde_json::from_slice(&frame.header).unwrap(), frame.body)
    }

    /// The nonce of the next call.
    async fn begin(&mut self) -> Value {
        let (kind, header, _) = self.read().await;
        assert_eq!(kind, Kind::Invoke);
        header["nonce"].clone()
    }

    /// The nonce of the next call, whose answer begins to be streamed.
    async fn begin_stream(&mut self) -> Value {
        let nonce = self.begin().await;
        self.send(Kind::Result, json!({"nonce": nonce, "status": 200, "is_streamed": true}), b"").await;
        nonce
    }

    /// The header of the next frame of this kind, past those of others.
    async fn next(&mut self, wanted: Kind) -> Value {
        loop {
            let (kind, header, _) = self.read().await;
            if kind == wanted {
                return header;
            }
        }
    }

    async fn send(&mut self, kind: Kind, header: Value, body: &[u8]) {
        let frame = Frame::new(kind, &header, Bytes::copy_from_slice(body));
        // The service may have closed its end: that is what it does with peers that break the protocol.
        let _ = self.answers.write_all(&frame.encode()).await;
    }

    async fn call(&mut self, nonce: &Value, id: u64, method: &str) {
        self.send(Kind::Call, json!({"nonce": nonce, "id": id, "method": method}), b"null").await;
    }

    async fn answer(&mut self, nonce: &Value, body: &[u8]) {
        self.send(Kind::Result, json!({"nonce": nonce, "status": 200}), body).await;
    }

    async fn piece(&mut self, nonce: &Value, is_last: bool, body: &[u8]) {
        self.send(Kind::Chunk, json!({"nonce": nonce, "last": is_last}), body).await;
    }

    /// Nothing comes for a while.
    async fn hears_nothing(&mut self) {
        sleep(MOMENT).await;
        let heard = self.requests.try_read(&mut [0]);
        assert!(heard.is_err(), "nothing is to be said");
    }
}

/// Carries out `wait` when it is let, and `body.read` never.
struct Waiting {
    begun: Semaphore,
    go: Semaphore,
}

impl Waiting {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Semaphore::new(0), go: Semaphore::new(0) })
    }

    fn begun(&self) -> usize {
        self.begun.available_permits()
    }
}

#[async_trait]
impl Host for Waiting {
    async fn call(&self, method: &str, _: Bytes) -> Result<Bytes, HostError> {
        self.begun.add_permits(1);
        match method {
            "wait" => self.go.acquire().await.unwrap().forget(),
            "large" => return Ok(vec![b'1'; 4 << 20].into()),
            _ => std::future::pending().await,
        }
        Ok(Bytes::from_static(b"1"))
    }
}

fn call_with(several: &Arc<Several>, host: Arc<dyn Host>, patience: Duration) -> Called {
    let several = Arc::clone(several);
    let request = Request { invoke: invoke::invoke(), body: Bytes::new(), host, outlet: None };
    tokio::spawn(async move { several.invoke(request, Instant::now() + patience).await })
}

fn call(several: &Arc<Several>) -> Called {
    call_with(several, Arc::new(NoHost), CALL)
}

/// One whose answer may be streamed; what its reader gets.
fn stream_call(several: &Arc<Several>, limit: u64) -> (Called, JoinHandle<Option<Rest>>) {
    let (outlet, inlet, seal) = stream(limit);
    let several = Arc::clone(several);
    let (host, outlet) = (Waiting::new(), Some(outlet));
    let request = Request { invoke: invoke::invoke(), body: Bytes::new(), host, outlet };
    let called = tokio::spawn(async move {
        let _seal = seal;
        several.invoke(request, Instant::now() + CALL).await
    });
    (called, tokio::spawn(async move { inlet.opened().await.map(|(_, rest)| rest) }))
}

async fn body_of(called: Called) -> Bytes {
    match called.await.unwrap().unwrap().answer {
        Answer::Result(_, body) => body,
        other => panic!("{other:?}"),
    }
}

async fn kind_of(called: Called) -> FaultKind {
    called.await.unwrap().unwrap_err().kind
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let (several, mut shim) = pair();
    let first = call(&several);
    let one = shim.begin().await;
    let second = call(&several);
    let two = shim.begin().await;
    assert_ne!(one, two);
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(second).await, "2");
    assert!(!first.is_finished());
    shim.answer(&one, b"1").await;
    assert_eq!(body_of(first).await, "1");
    assert!(several.is_clean());
}

#[tokio::test]
async fn each_has_what_it_printed_and_the_oldest_what_is_nobodys() {
    let (several, mut shim) = pair();
    let first = call(&several);
    let one = shim.begin().await;
    let second = call(&several);
    let two = shim.begin().await;
    for (nonce, text) in [(&one, "one\n"), (&two, "two\n"), (&one, "one again\n")] {
        shim.send(Kind::Output, json!({"nonce": nonce}), text.as_bytes()).await;
    }
    shim.send(Kind::Log, json!({"nonce": two, "level": "warn", "message": "odd"}), b"").await;
    shim.logs.write_all(b"a child's\n").await.unwrap();
    shim.answer(&two, b"2").await;
    let reply = second.await.unwrap().unwrap();
    assert_eq!(reply.logs.into_text(), "two\n[WARN] odd\n");
    shim.answer(&one, b"1").await;
    let text = first.await.unwrap().unwrap().logs.into_text();
    assert!(text.contains("one\n") && text.contains("one again\n") && text.contains("a child's\n"), "{text}");
    // Between calls it is nobody's.
    shim.logs.write_all(b"between\n").await.unwrap();
    sleep(MOMENT).await;
    let third = call(&several);
    let three = shim.begin().await;
    shim.answer(&three, b"3").await;
    assert!(third.await.unwrap().unwrap().logs.is_empty());
}

#[tokio::test]
async fn host_calls_go_to_their_own_host_and_end_with_their_call() {
    let (several, mut shim) = pair();
    let (slow, quick) = (Waiting::new(), Waiting::new());
    let first = call_with(&several, Arc::clone(&slow) as _, CALL);
    let one = shim.begin().await;
    let second = call_with(&several, Arc::clone(&quick) as _, CALL);
    let two = shim.begin().await;
    shim.call(&one, 7, "wait").await;
    shim.call(&two, 7, "wait").await;
    quick.go.add_permits(1);
    let (kind, header, body) = shim.read().await;
    assert_eq!((kind, &header["nonce"], &header["id"], &body[..]), (Kind::Reply, &two, &json!(7), &b"1"[..]));
    // What the first one has under way ends with its answer, and takes no room from the second.
    for id in 8..20 {
        shim.call(&one, id, "wait").await;
    }
    shim.call(&two, 8, "wait").await;
    while (slow.begun(), quick.begun()) < (7, 2) {
        sleep(MOMENT).await;
    }
    sleep(MOMENT).await;
    assert_eq!(
        (slow.begun(), quick.begun()),
        (7, 2),
        "{MAX_RUNNING} at once, the last of them for the second"
    );
    shim.answer(&one, b"1").await;
    assert_eq!(body_of(first).await, "1");
    quick.go.add_permits(1);
    let (kind, header, _) = shim.read().await;
    assert_eq!((kind, &header["nonce"], &header["id"]), (Kind::Reply, &two, &json!(8)));
    slow.go.add_permits(10);
    shim.hears_nothing().await;
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(second).await, "2");
}

#[tokio::test]
async fn slow_uploads_keep_no_host_call_waiting() {
    let (several, mut shim) = pair();
    let host = Waiting::new();
    let mut calls = Vec::new();
    for _ in 0..=MAX_RUNNING {
        calls.push(call_with(&several, Arc::clone(&host) as _, CALL));
        let nonce = shim.begin().await;
        shim.call(&nonce, 1, READ_BODY).await;
    }
    let quick = call_with(&several, Arc::clone(&host) as _, CALL);
    let nonce = shim.begin().await;
    host.go.add_permits(1);
    shim.call(&nonce, 1, "wait").await;
    let (kind, header, _) = shim.read().await;
    assert_eq!((kind, &header["nonce"]), (Kind::Reply, &nonce));
    // The second read of one call waits for its first.
    shim.call(&nonce, 2, READ_BODY).await;
    shim.call(&nonce, 3, READ_BODY).await;
    sleep(MOMENT).await;
    assert_eq!(host.begun(), MAX_RUNNING + 3);
    shim.answer(&nonce, b"1").await;
    assert_eq!(body_of(quick).await, "1");
}

#[tokio::test]
async fn ended_calls_leave_nothing_that_grows() {
    let (several, mut shim) = pair();
    let host = Waiting::new();
    let held = call_with(&several, Arc::clone(&host) as _, CALL);
    let _nonce = shim.begin().await;
    // Nobody reads the replies: each call leaves at most the one that was begun.
    for _ in 0..100 {
        let called = call_with(&several, Arc::clone(&host) as _, CALL);
        let nonce = shim.next(Kind::Invoke).await["nonce"].clone();
        for id in 0..MAX_IN_FLIGHT as u64 {
            shim.call(&nonce, id, "large").await;
        }
        shim.answer(&nonce, b"1").await;
        assert_eq!(body_of(called).await, "1");
    }
    assert!(host.begun() <= 100 * (MAX_RUNNING + 2), "{}", host.begun());
    assert!(several.is_clean() && !held.is_finished());
}

#[tokio::test]
async fn a_slow_reader_of_one_answer_keeps_no_other_call_waiting() {
    let (several, mut shim) = pair();
    let (streamed, rest) = stream_call(&several, 1 << 20);
    let one = shim.begin_stream().await;
    let mut rest = rest.await.unwrap().unwrap();
    // Two go into the way to the reader, two wait.
    for piece in [b"a", b"b"] {
        shim.piece(&one, false, piece).await;
        assert_eq!(shim.read().await.0, Kind::Taken);
    }
    shim.piece(&one, false, b"c").await;
    shim.piece(&one, false, b"d").await;
    shim.hears_nothing().await;
    let quick = call(&several);
    let two = shim.begin().await;
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(quick).await, "2");
    assert_eq!(rest.next().await.unwrap(), "a");
    let (kind, header, _) = shim.read().await;
    assert_eq!((kind, &header["nonce"]), (Kind::Taken, &one));
    shim.piece(&one, true, b"e").await;
    let mut all = Vec::new();
    while all.len() < 4 {
        all.extend_from_slice(&rest.next().await.unwrap());
    }
    assert_eq!(all, b"bcde");
    let Answer::Streamed(whole) = streamed.await.unwrap().unwrap().answer else { panic!() };
    assert_eq!((whole.bytes, whole.failure), (5, None));
    assert!(several.is_clean());
}

#[tokio::test]
async fn a_streamed_answer_that_is_sent_frees_its_host_calls() {
    let (several, mut shim) = pair();
    let (_streamed, rest) = stream_call(&several, 1 << 20);
    let one = shim.begin_stream().await;
    let _rest = rest.await.unwrap().unwrap();
    for id in 0..MAX_IN_FLIGHT as u64 {
        shim.call(&one, id, READ_BODY).await;
    }
    for _ in 0..2 {
        shim.piece(&one, false, b"a").await;
        assert_eq!(shim.read().await.0, Kind::Taken);
    }
    shim.piece(&one, false, b"b").await;
    shim.piece(&one, true, b"c").await;
    let host = Waiting::new();
    host.go.add_permits(1);
    let other = call_with(&several, host, CALL);
    let two = shim.next(Kind::Invoke).await["nonce"].clone();
    shim.call(&two, 1, "wait").await;
    let replied = shim.next(Kind::Reply).await["nonce"].clone();
    assert_eq!(replied, two);
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(other).await, "2");
}

#[tokio::test]
async fn a_reader_that_goes_away_lets_the_call_go_on() {
    let (several, mut shim) = pair();
    let (streamed, rest) = stream_call(&several, 1 << 20);
    let one = shim.begin_stream().await;
    drop(rest.await.unwrap());
    for _ in 0..10 {
        shim.piece(&one, false, b"a").await;
        assert_eq!(shim.read().await.0, Kind::Taken);
    }
    shim.piece(&one, true, b"").await;
    let Answer::Streamed(whole) = streamed.await.unwrap().unwrap().answer else { panic!() };
    assert_eq!(whole.bytes, 10);
}

#[tokio::test]
async fn an_answer_that_is_too_long_breaks_off_by_itself() {
    let (several, mut shim) = pair();
    let other = call(&several);
    let two = shim.begin().await;
    let (streamed, _rest) = stream_call(&several, 3);
    let one = shim.begin_stream().await;
    shim.piece(&one, false, b"four").await;
    let kind = kind_of(streamed).await;
    assert!(matches!(kind, FaultKind::AnswerTooLarge { len: 4, limit: 3 }), "{kind}");
    shim.piece(&one, true, b"more").await;
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(other).await, "2");
    assert!(!several.is_clean(), "no further call begins");
}

#[tokio::test]
async fn a_call_over_its_deadline_ends_alone() {
    let (several, mut shim) = pair();
    let host = Waiting::new();
    let late = call_with(&several, Arc::clone(&host) as _, MOMENT);
    let one = shim.begin().await;
    shim.send(Kind::Output, json!({"nonce": one}), b"still here\n").await;
    let other = call(&several);
    let two = shim.begin().await;
    let fault = late.await.unwrap().unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Deadline));
    assert_eq!(fault.logs.into_text(), "still here\n");
    // What comes late is dropped, whatever it is; a host call is told so, or the shim would count it for ever.
    shim.call(&one, 1, "wait").await;
    let (kind, header, body) = shim.read().await;
    assert_eq!((kind, &header["nonce"], &header["ok"]), (Kind::Reply, &one, &json!(false)));
    assert!(body.windows(7).any(|part| part == b"NO_CALL"));
    shim.send(Kind::Output, json!({"nonce": one}), b"late\n").await;
    shim.answer(&one, b"late").await;
    shim.answer(&two, b"2").await;
    let reply = other.await.unwrap().unwrap();
    assert!(reply.logs.is_empty());
    assert_eq!(host.begun(), 0);
    assert!(!several.is_clean());
}

#[tokio::test]
async fn an_end_takes_all_along_and_tells_who_was_not_asked() {
    let (several, mut shim) = pair();
    let asked = call(&several);
    let _one = shim.begin().await;
    let unasked = call(&several);
    sleep(MOMENT).await;
    drop(shim);
    assert!(matches!(kind_of(asked).await, FaultKind::Ended));
    assert!(matches!(kind_of(unasked).await, FaultKind::Untaken));
    assert!(!several.is_clean());
    assert!(matches!(kind_of(call(&several)).await, FaultKind::Untaken), "nobody is there");
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_all_calls() {
    type Play = fn(&Value) -> Vec<(Kind, Value, usize)>;
    let cases: [(&str, Play); 11] = [
        ("another", |_| vec![(Kind::Result, json!({"nonce": "0".repeat(32), "status": 200}), 1)]),
        ("another", |_| vec![(Kind::Output, json!({"nonce": ""}), 1)]),
        ("another", |_| vec![(Kind::Call, json!({"nonce": "", "id": 1, "method": "wait"}), 1)]),
        ("another", |one| {
            let done = json!({"nonce": one, "status": 200});
            vec![(Kind::Result, done.clone(), 1), (Kind::Result, done, 1)]
        }),
        ("header", |_| vec![(Kind::Log, json!({"level": "info"}), 0)]),
        ("Hello frame", |_| vec![(Kind::Hello, json!({}), 0)]),
        ("Taken frame", |one| vec![(Kind::Taken, json!({"nonce": one}), 0)]),
        ("Loaded frame", |one| vec![(Kind::Loaded, json!({"nonce": one, "handler_style": "x"}), 0)]),
        ("not streamed", |one| vec![(Kind::Chunk, json!({"nonce": one, "last": true}), 1)]),
        ("nobody asked", |one| {
            vec![(Kind::Result, json!({"nonce": one, "status": 200, "is_streamed": true}), 0)]
        }),
        ("Output frame's body", |one| vec![(Kind::Output, json!({"nonce": one}), (64 << 10) + 1)]),
    ];
    for (told, play) in cases {
        let (several, mut shim) = pair();
        let first = call(&several);
        let one = shim.begin().await;
        let second = call(&several);
        shim.begin().await;
        for (kind, header, len) in play(&one) {
            shim.send(kind, header, &vec![b'1'; len]).await;
        }
        drop(first.await);
        match kind_of(second).await {
            FaultKind::Tainted(why) => assert!(why.contains(told), "{told}: {why}"),
            other => panic!("{told}: {other}"),
        }
        assert!(!several.is_clean(), "{told}");
    }
}

#[tokio::test]
async fn more_pieces_than_may_be_on_their_way_taint() {
    let (several, mut shim) = pair();
    let (streamed, _rest) = stream_call(&several, 1 << 20);
    let one = shim.begin_stream().await;
    for _ in 0..5 {
        shim.piece(&one, false, b"a").await;
    }
    assert!(matches!(kind_of(streamed).await, FaultKind::Tainted(_)));
}

#[tokio::test]
async fn host_calls_of_a_late_call_are_told_that_it_is_over() {
    let (several, mut shim) = pair();
    let host = Waiting::new();
    let late = call_with(&several, Arc::clone(&host) as _, MOMENT);
    let one = shim.begin().await;
    for id in 0..MAX_IN_FLIGHT as u64 {
        shim.call(&one, id, "wait").await;
    }
    let other = call_with(&several, Arc::clone(&host) as _, CALL);
    let two = shim.begin().await;
    assert!(matches!(kind_of(late).await, FaultKind::Deadline));
    for _ in 0..MAX_IN_FLIGHT {
        let (kind, header, _) = shim.read().await;
        assert_eq!((kind, &header["nonce"], &header["ok"]), (Kind::Reply, &one, &json!(false)));
    }
    host.go.add_permits(1);
    shim.call(&two, 1, "wait").await;
    let (kind, header, _) = shim.read().await;
    assert_eq!((kind, &header["nonce"], &header["ok"]), (Kind::Reply, &two, &json!(true)));
    shim.answer(&two, b"2").await;
    assert_eq!(body_of(other).await, "2");
}

/// A shim that doesn't read has no words pile up for it.
#[tokio::test]
async fn pieces_beyond_what_was_told_taint_though_nobody_wants_them() {
    let (several, mut shim) = pair();
    let (streamed, rest) = stream_call(&several, 1 << 30);
    let one = shim.begin_stream().await;
    drop(rest.await.unwrap());
    for _ in 0..100_000 {
        shim.piece(&one, false, b"a").await;
    }
    assert!(matches!(kind_of(streamed).await, FaultKind::Tainted(_)));
}

#[tokio::test]
async fn an_answer_that_was_sent_before_the_end_counts() {
    let (several, mut shim) = pair();
    let first = call(&several);
    let one = shim.begin().await;
    let (streamed, rest) = stream_call(&several, 1 << 20);
    let two = shim.begin_stream().await;
    let mut rest = rest.await.unwrap().unwrap();
    shim.piece(&two, true, b"whole").await;
    shim.answer(&one, b"1").await;
    // It ends while another call is about to be written.
    let third = call(&several);
    drop(shim);
    assert_eq!(body_of(first).await, "1");
    assert_eq!(rest.next().await.unwrap(), "whole");
    assert!(matches!(streamed.await.unwrap().unwrap().answer, Answer::Streamed(_)));
    assert!(matches!(kind_of(third).await, FaultKind::Untaken));
}

#[tokio::test]
async fn the_logs_of_all_calls_are_bounded_together() {
    let (several, mut shim) = pair();
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push((call(&several), shim.begin().await));
    }
    let empty = json!({"level": "", "message": ""});
    for (_, nonce) in &calls {
        let mut line = empty.clone();
        line["nonce"] = nonce.clone();
        for _ in 0..40_000 {
            shim.send(Kind::Log, line.clone(), b"").await;
        }
    }
    let mut weight = 0;
    for (called, nonce) in calls {
        shim.answer(&nonce, b"1").await;
        weight += called.await.unwrap().unwrap().logs.weight();
    }
    assert!(weight <= (8 << 20) + 1000, "{weight} bytes");
}

#[tokio::test]
async fn a_byte_between_calls_ends_it() {
    let (several, mut shim) = pair();
    let first = call(&several);
    let one = shim.begin().await;
    shim.answer(&one, b"1").await;
    assert_eq!(body_of(first).await, "1");
    shim.send(Kind::Log, json!({"nonce": one, "level": "info", "message": "late"}), b"").await;
    sleep(MOMENT).await;
    assert!(!several.is_clean());
}
