//! The channel and a shim that has a process for each call: between two calls it says that the first one's is gone.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::time::Duration;

use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind};
use cloudbox_protocol::message::FunctionInfo;
use cloudbox_protocol::{Channel, Frame, FrameLimits, Kind, Load, Request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// The sandbox's ends of the pipes.
struct Shim {
    requests: pipe::Receiver,
    answers: pipe::Sender,
    _logs: pipe::Sender,
    loaded: Value,
}

/// A channel whose shim has loaded code, and forks or doesn't.
async fn loaded(is_forked: bool) -> (Channel, Shim) {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    let mut channel = Channel::new(requests_tx, answers_rx, logs_rx, ChannelLimits::default());
    let mut shim = Shim { requests, answers, _logs: logs, loaded: Value::Null };
    let load = Load {
        nonce: String::new(),
        code_dir: "/workspace".to_owned(),
        main: "index.py".to_owned(),
        entry_point: "handler".to_owned(),
        handler_style: "auto".to_owned(),
        isolation: cloudbox_types::Isolation::Process,
        concurrency: 1,
        env: std::collections::BTreeMap::new(),
        function: FunctionInfo { id: 1, name: "f".to_owned(), project_id: 1, version: 1, memory_mb: 64 },
    };
    let serve = async {
        let nonce = shim.request().await["nonce"].clone();
        shim.loaded = json!({"nonce": nonce, "handler_style": "data", "is_forked": is_forked});
        shim.says_loaded().await;
    };
    let (reply, ()) = tokio::join!(channel.load(load, soon()), serve);
    assert_eq!(reply.unwrap().answer.unwrap().is_forked, is_forked);
    (channel, shim)
}

impl Shim {
    async fn request(&mut self) -> Value {
        let frame = Frame::read(&mut self.requests, FrameLimits::default()).await.unwrap();
        serde_json::from_slice(&frame.header).unwrap()
    }

    async fn send(&mut self, kind: Kind, header: &Value) {
        self.answers.write_all(&Frame::new(kind, header, Bytes::new()).encode()).await.unwrap();
    }

    async fn says_loaded(&mut self) {
        let header = self.loaded.clone();
        self.send(Kind::Loaded, &header).await;
    }

    async fn answers(&mut self) {
        let nonce = self.request().await["nonce"].clone();
        self.send(Kind::Result, &json!({"nonce": nonce, "status": 200})).await;
    }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn call(channel: &mut Channel, shim: &mut Shim) {
    let request = Request::without_host(invoke::invoke(), Bytes::new());
    let (answer, ()) = tokio::join!(channel.invoke(request, soon()), shim.answers());
    answer.unwrap();
}

#[tokio::test]
async fn a_call_follows_when_the_last_ones_process_is_gone() {
    let (mut channel, mut shim) = loaded(true).await;
    for _ in 0..3 {
        assert!(channel.is_clean());
        call(&mut channel, &mut shim).await;
        assert!(channel.is_clean(), "whatever came meanwhile");
        shim.says_loaded().await;
        assert!(channel.is_clean());
        assert!(channel.settled(PATIENCE).await);
    }
    assert!(channel.settled(Duration::ZERO).await, "again");
    shim.says_loaded().await;
    assert!(!channel.is_clean(), "once is enough");
}

#[tokio::test]
async fn what_is_read_along_with_the_answer_spends_nothing() {
    let (mut channel, mut shim) = loaded(true).await;
    for _ in 0..3 {
        let serves = async {
            let nonce = shim.request().await["nonce"].clone();
            let result = Frame::new(Kind::Result, &json!({"nonce": nonce, "status": 200}), Bytes::new());
            let gone = Frame::new(Kind::Loaded, &shim.loaded, Bytes::new());
            shim.answers.write_all(&[result.encode(), gone.encode()].concat()).await.unwrap();
        };
        let request = Request::without_host(invoke::invoke(), Bytes::new());
        let (answer, ()) = tokio::join!(channel.invoke(request, soon()), serves);
        answer.unwrap();
        assert!(!channel.is_spent());
        assert!(channel.settled(PATIENCE).await && !channel.is_spent());
    }
}

#[tokio::test]
async fn no_call_goes_out_before() {
    let (mut channel, mut shim) = loaded(true).await;
    call(&mut channel, &mut shim).await;
    let early = channel.invoke(Request::without_host(invoke::invoke(), Bytes::new()), soon()).await;
    assert!(matches!(early.unwrap_err().kind, FaultKind::Tainted(_)));
    shim.says_loaded().await;
    assert!(channel.settled(PATIENCE).await, "nothing was sent");
    call(&mut channel, &mut shim).await;
}

#[tokio::test]
async fn what_is_said_in_its_place_or_nothing_ends_the_channel() {
    let (mut channel, mut shim) = loaded(true).await;
    call(&mut channel, &mut shim).await;
    assert!(!channel.settled(Duration::from_millis(1)).await && !channel.is_clean(), "nothing");
    for (kind, header) in [
        (Kind::Loaded, json!({"nonce": "0", "handler_style": "data"})),
        (Kind::Result, json!({"nonce": "0", "status": 200})),
    ] {
        let (mut channel, mut shim) = loaded(true).await;
        call(&mut channel, &mut shim).await;
        shim.send(kind, &header).await;
        assert!(!channel.settled(PATIENCE).await && !channel.is_clean(), "{kind:?} {header}");
    }
    let (mut channel, mut shim) = loaded(true).await;
    call(&mut channel, &mut shim).await;
    drop(shim);
    assert!(!channel.settled(PATIENCE).await && !channel.is_clean(), "its end");
}

#[tokio::test]
async fn a_shim_that_does_not_fork_says_nothing() {
    let (mut channel, mut shim) = loaded(false).await;
    call(&mut channel, &mut shim).await;
    assert!(channel.settled(Duration::ZERO).await && channel.is_clean());
    call(&mut channel, &mut shim).await;
    shim.says_loaded().await;
    assert!(!channel.is_clean(), "a byte between two calls");
}
