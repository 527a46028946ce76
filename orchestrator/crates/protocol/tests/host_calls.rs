//! Host calls over the channel: with a shim that behaves, and with peers that don't.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind};
use cloudbox_protocol::host::{MAX_ARGUMENT_BYTES, MAX_CALLS, MAX_IN_FLIGHT, MAX_REPLY_BYTES, MAX_RUNNING};
use cloudbox_protocol::{Answer, Channel, Frame, FrameLimits, Host, HostError, Kind, Request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep};

const CALL: Duration = Duration::from_secs(5);

/// Does what the method says.
#[derive(Default)]
struct Scripted {
    running: AtomicUsize,
    most: AtomicUsize,
    dropped: AtomicUsize,
}

/// Counts a host call out, however it ends.
struct Counted<'a>(&'a Scripted, bool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

#[async_trait]
impl Host for Scripted {
    async fn call(&self, method: &str, arguments: Bytes) -> Result<Bytes, HostError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let mut counted = Counted(self, false);
        let result = match method {
            "echo" => Ok(arguments),
            "sleep" => {
                let ms: u64 = serde_json::from_slice(&arguments).unwrap();
                sleep(Duration::from_millis(ms)).await;
                Ok(arguments)
            }
            "large" => Ok(vec![b'1'; serde_json::from_slice::<usize>(&arguments).unwrap()].into()),
            other => Err(HostError::unknown_method(other)),
        };
        counted.1 = true;
        result
    }
}

/// The sandbox's ends of the three pipes.
struct Shim {
    requests: pipe::Receiver,
    answers: pipe::Sender,
    _logs: pipe::Sender,
    nonce: Value,
}

fn pair() -> (Channel, Shim) {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let channel = Channel::new(requests_tx, answers_rx, logs_rx, ChannelLimits::default());
    (channel, Shim { requests, answers, _logs: logs, nonce: Value::Null })
}

impl Shim {
    async fn read(&mut self) -> (Kind, Value, Bytes) {
        let frame = Frame::read(&mut self.requests, FrameLimits::default()).await.unwrap();
        (frame.kind, serde_json::from_slice(&frame.header).unwrap(), frame.body)
    }

    async fn begin(&mut self) {
        let (kind, header, _) = self.read().await;
        assert_eq!(kind, Kind::Invoke);
        self.nonce = header["nonce"].clone();
    }

    async fn send(&mut self, kind: Kind, header: Value, body: &[u8]) {
        let frame = Frame::new(kind, &header, Bytes::copy_from_slice(body));
        // The service may have closed its end: that is what it does with peers that break the protocol.
        let _ = self.answers.write_all(&frame.encode()).await;
    }

    async fn call(&mut self, id: u64, method: &str, arguments: &[u8]) {
        let header = json!({"nonce": self.nonce, "id": id, "method": method});
        self.send(Kind::Call, header, arguments).await;
    }

    /// The next reply: its id, whether it is a result, and its body.
    async fn reply(&mut self) -> (u64, bool, Bytes) {
        let (kind, header, body) = self.read().await;
        assert_eq!((kind, &header["nonce"]), (Kind::Reply, &self.nonce));
        (header["id"].as_u64().unwrap(), header["ok"].as_bool().unwrap(), body)
    }

    async fn answer(&mut self) {
        self.send(Kind::Result, json!({"nonce": self.nonce, "status": 200}), b"1").await;
    }
}

fn request(host: &Arc<Scripted>) -> Request {
    Request { invoke: invoke::invoke(), body: Bytes::new(), host: Arc::clone(host) as _, outlet: None }
}

/// One exchange with a peer that does as `play` says: its outcome, and the host.
async fn exchange(play: impl AsyncFnOnce(&mut Shim)) -> (Result<Answer, FaultKind>, Arc<Scripted>, Channel) {
    let (mut channel, mut shim) = pair();
    let host = Arc::<Scripted>::default();
    let begun = Instant::now();
    let playing = async {
        shim.begin().await;
        play(&mut shim).await;
        std::future::pending::<()>().await;
    };
    // Nobody reads what comes after the end of the exchange.
    let outcome = tokio::select! {
        outcome = channel.invoke(request(&host), begun + CALL) => outcome,
        () = playing => unreachable!(),
    };
    assert!(begun.elapsed() <= CALL + Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(host.running.load(Ordering::SeqCst), 0, "no host call outlives its exchange");
    (outcome.map(|reply| reply.answer).map_err(|fault| fault.kind), host, channel)
}

fn code(body: &[u8]) -> String {
    serde_json::from_slice::<HostError>(body).unwrap().code
}

#[tokio::test]
async fn calls_are_answered_each_by_its_id_in_the_order_that_they_end() {
    let (outcome, ..) = exchange(async |shim| {
        shim.call(1, "sleep", b"50").await;
        shim.call(2, "echo", b"[2]").await;
        shim.call(3, "nothing", b"").await;
        assert_eq!(shim.reply().await, (2, true, Bytes::from_static(b"[2]")));
        let (id, is_ok, body) = shim.reply().await;
        assert_eq!((id, is_ok, code(&body).as_str()), (3, false, "UNKNOWN_METHOD"));
        // A number is free again as soon as its reply is there.
        shim.call(2, "echo", b"\"again\"").await;
        assert_eq!(shim.reply().await, (2, true, Bytes::from_static(b"\"again\"")));
        assert_eq!(shim.reply().await.0, 1);
        shim.answer().await;
    })
    .await;
    assert!(matches!(outcome, Ok(Answer::Result(..))), "{outcome:?}");
}

#[tokio::test]
async fn large_arguments_and_results_go_both_ways_at_once() {
    let (outcome, ..) = exchange(async |shim| {
        let arguments = vec![b'1'; MAX_ARGUMENT_BYTES];
        // As a shim does: nothing is read before all of them are written.
        for id in 0..4 {
            shim.call(id, "echo", &arguments).await;
        }
        for _ in 0..4 {
            let (_, is_ok, body) = shim.reply().await;
            assert!(is_ok && body == arguments);
        }
        shim.call(9, "large", b"5000000").await;
        let (_, is_ok, body) = shim.reply().await;
        assert!(!is_ok && code(&body) == "REPLY_TOO_LARGE" && MAX_REPLY_BYTES < 5_000_000);
        shim.answer().await;
    })
    .await;
    assert!(matches!(outcome, Ok(Answer::Result(..))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_few_calls_run_at_the_same_time_and_the_others_wait() {
    let (outcome, host, _) = exchange(async |shim| {
        for id in 0..MAX_IN_FLIGHT as u64 {
            shim.call(id, "sleep", b"20").await;
        }
        for _ in 0..MAX_IN_FLIGHT {
            assert!(shim.reply().await.1);
        }
        shim.answer().await;
    })
    .await;
    assert!(outcome.is_ok());
    assert_eq!(host.most.load(Ordering::SeqCst), MAX_RUNNING);
}

#[tokio::test]
async fn after_many_calls_there_is_an_error_for_each() {
    let (outcome, ..) = exchange(async |shim| {
        for id in 0..=u64::from(MAX_CALLS) {
            shim.call(id, "echo", b"1").await;
            let (_, is_ok, body) = shim.reply().await;
            assert!(is_ok || id == u64::from(MAX_CALLS) && code(&body) == "TOO_MANY_CALLS");
        }
        shim.answer().await;
    })
    .await;
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn what_is_under_way_at_the_answer_is_dropped_and_the_channel_stays_clean() {
    let (mut channel, mut shim) = pair();
    let host = Arc::<Scripted>::default();
    let serve = async {
        shim.begin().await;
        shim.call(1, "sleep", b"60000").await;
        // More than the pipe holds: a reply whose beginning is written when the answer comes.
        shim.call(2, "large", b"3000000").await;
        while host.running.load(Ordering::SeqCst) != 1 {
            tokio::task::yield_now().await;
        }
        shim.answer().await;
        let mut kinds = Vec::new();
        while kinds.last() != Some(&Kind::Invoke) {
            let (kind, header, _) = shim.read().await;
            kinds.push(kind);
            shim.nonce = header["nonce"].clone();
        }
        assert!(kinds.len() <= 2, "{kinds:?}");
        shim.answer().await;
    };
    let call = async {
        for _ in 0..2 {
            channel.invoke(request(&host), Instant::now() + CALL).await.unwrap();
            assert!(channel.is_clean());
        }
    };
    tokio::join!(serve, call);
    assert_eq!(host.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn peers_that_break_the_rules_taint() {
    let rule = async |play: &dyn Fn(&Value) -> Vec<(Value, usize)>| {
        let (outcome, ..) = exchange(async |shim| {
            for (header, len) in play(&shim.nonce.clone()) {
                shim.send(Kind::Call, header, &vec![b'1'; len]).await;
            }
        })
        .await;
        assert!(matches!(outcome, Err(FaultKind::Tainted(_))), "{outcome:?}");
    };
    let call = |nonce: &Value, id: u64| json!({"nonce": nonce, "id": id, "method": "sleep"});
    rule(&|nonce| vec![(call(nonce, 1), 5), (call(nonce, 1), 5)]).await;
    rule(&|_| vec![(call(&json!("0"), 1), 5)]).await;
    rule(&|nonce| vec![(json!({"nonce": nonce, "id": -1, "method": "sleep"}), 5)]).await;
    rule(&|nonce| vec![(json!({"nonce": nonce, "id": 1}), 5)]).await;
    rule(&|nonce| vec![(call(nonce, 1), MAX_ARGUMENT_BYTES + 1)]).await;
    rule(&|nonce| (0..=MAX_IN_FLIGHT as u64).map(|id| (call(nonce, id), 5)).collect()).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_no_reply_stalls_nobody_and_ends_at_the_deadline() {
    let (outcome, ..) = exchange(async |shim| {
        for id in 0..MAX_IN_FLIGHT as u64 {
            shim.call(id, "large", b"4000000").await;
        }
        // Frames are still read while the replies have nowhere to go.
        for _ in 0..100 {
            let line = json!({"nonce": shim.nonce, "level": "info", "message": "x".repeat(10_000)});
            shim.send(Kind::Log, line, b"").await;
        }
    })
    .await;
    assert!(matches!(outcome, Err(FaultKind::Deadline)), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_counts_though_a_reply_is_stuck_and_the_channel_serves_no_more() {
    let (outcome, _, channel) = exchange(async |shim| {
        shim.call(1, "large", b"4000000").await;
        sleep(Duration::from_millis(50)).await;
        shim.answer().await;
    })
    .await;
    assert!(matches!(outcome, Ok(Answer::Result(..))), "{outcome:?}");
    assert!(!channel.is_clean());
}

#[tokio::test]
async fn a_peer_whose_end_comes_while_it_calls_has_ended() {
    let (mut channel, mut shim) = pair();
    let host = Arc::<Scripted>::default();
    let serve = async {
        shim.begin().await;
        shim.call(1, "sleep", b"60000").await;
        drop(shim);
    };
    let (outcome, ()) = tokio::join!(channel.invoke(request(&host), Instant::now() + CALL), serve);
    assert!(matches!(outcome.unwrap_err().kind, FaultKind::Ended));
    assert!(!channel.is_untaken(), "who calls has taken the request");
}

#[tokio::test]
async fn code_that_loads_makes_no_calls() {
    let (mut channel, mut shim) = pair();
    let serve = async {
        let (_, header, _) = shim.read().await;
        shim.nonce = header["nonce"].clone();
        shim.call(1, "echo", b"1").await;
        shim
    };
    let load = serde_json::from_value(json!({
        "nonce": "", "code_dir": "/", "main": "m", "entry_point": "handler", "handler_style": "auto", "env": {},
        "function": {"id": 1, "name": "f", "project_id": 1, "version": 1, "memory_mb": 1},
    }));
    let (outcome, _) = tokio::join!(channel.load(load.unwrap(), Instant::now() + CALL), serve);
    assert!(matches!(outcome.unwrap_err().kind, FaultKind::Tainted(_)));
}
