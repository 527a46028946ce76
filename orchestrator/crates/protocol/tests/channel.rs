//! The channel against a shim that behaves, and against shims that don't.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

#[path = "support/invoke.rs"]
mod invoke;

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use cloudbox_protocol::channel::{ChannelLimits, FaultKind};
use cloudbox_protocol::{Answer, Channel, Frame, FrameLimits, Kind, Request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// The sandbox's ends of the three pipes.
struct Shim {
    requests: pipe::Receiver,
    answers: pipe::Sender,
    logs: pipe::Sender,
}

fn pair(limits: ChannelLimits) -> (Channel, Shim) {
    let (requests_tx, requests) = pipe::pipe().unwrap();
    let (answers, answers_rx) = pipe::pipe().unwrap();
    let (logs, logs_rx) = pipe::pipe().unwrap();
    (Channel::new(requests_tx, answers_rx, logs_rx, limits), Shim { requests, answers, logs })
}

impl Shim {
    /// The next request's header.
    async fn request(&mut self) -> Value {
        let frame = Frame::read(&mut self.requests, FrameLimits::default()).await.unwrap();
        serde_json::from_slice(&frame.header).unwrap()
    }

    async fn send(&mut self, kind: Kind, header: Value, body: &'static [u8]) {
        let frame = Frame::new(kind, &header, Bytes::from_static(body));
        self.answers.write_all(&frame.encode()).await.unwrap();
    }

    async fn answer(&mut self, body: &'static [u8]) {
        let nonce = self.request().await["nonce"].clone();
        self.send(Kind::Result, json!({"nonce": nonce, "status": 200}), body).await;
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn request(body: Bytes) -> Request {
    Request::without_host(invoke::invoke(), body)
}

#[tokio::test]
async fn a_call_brings_its_answer_and_its_logs() {
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    let serve = async {
        shim.logs.write_all(b"printed\n").await.unwrap();
        shim.answer(b"[1]").await;
        shim.answer(b"[2]").await;
    };
    let call = async {
        let first = channel.invoke(request(Bytes::from_static(b"{}")), soon()).await.unwrap();
        let Answer::Result(head, body) = first.answer else { panic!("a failure") };
        assert_eq!(
            (head.status, &body[..], first.logs.into_text().as_str()),
            (200, &b"[1]"[..], "printed\n")
        );
        let second = channel.invoke(request(Bytes::new()), soon()).await.unwrap();
        assert!(second.logs.is_empty());
        assert!(channel.is_clean());
    };
    tokio::join!(serve, call);
}

#[tokio::test]
async fn structured_lines_stand_where_they_were_written() {
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    let serve = async {
        let nonce = shim.request().await["nonce"].clone();
        shim.logs.write_all(b"before\n").await.unwrap();
        let line = json!({"nonce": nonce, "level": "info", "message": "hi", "fields": {"a": 1}});
        shim.send(Kind::Log, line, b"").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        shim.logs.write_all(b"after\n").await.unwrap();
        shim.send(Kind::Result, json!({"nonce": nonce, "status": 200}), b"1").await;
    };
    let call = async {
        let reply = channel.invoke(request(Bytes::new()), soon()).await.unwrap();
        assert_eq!(reply.logs.into_text(), "before\n[INFO] hi {\"a\":1}\nafter\n");
    };
    tokio::join!(serve, call);
}

/// Of an answer that comes at once, one look tells whether anything was printed before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_printed_is_its_calls_own_however_quick_that_is() {
    const CALLS: usize = 300;
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    let serves = tokio::spawn(async move {
        for call in 0..CALLS {
            let nonce = shim.request().await["nonce"].clone();
            // One kind is far more than is read at once, and a part of it comes before what is printed.
            let (len, before) = if call % 4 == 3 { (300_000, 100_000) } else { (0, 0) };
            let body = Bytes::from(vec![b' '; len]);
            let answer = Frame::new(Kind::Result, &json!({"nonce": nonce, "status": 200}), body).encode();
            let (first, rest) = answer.split_at(before);
            shim.answers.write_all(first).await.unwrap();
            if call % 4 == 2 {
                let line = json!({"nonce": nonce, "level": "info", "message": "a line", "fields": {}});
                shim.send(Kind::Log, line, b"").await;
            }
            if call % 4 != 0 {
                shim.logs.write_all(format!("{call}\n").as_bytes()).await.unwrap();
            }
            shim.answers.write_all(rest).await.unwrap();
        }
    });
    for call in 0..CALLS {
        let reply = channel.invoke(request(Bytes::new()), soon()).await.unwrap();
        let number = call.to_string();
        let printed = match call % 4 {
            0 => Vec::new(),
            2 => vec![number.as_str(), "[INFO] a line"],
            _ => vec![number.as_str()],
        };
        let logs = reply.logs.into_text();
        let mut lines: Vec<_> = logs.lines().collect();
        // They come through two pipes.
        lines.sort_unstable();
        assert_eq!(lines, printed, "call {call}");
    }
    serves.await.unwrap();
}

#[tokio::test]
async fn a_wrong_nonce_taints() {
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    let serve = async {
        shim.request().await;
        shim.send(Kind::Result, json!({"nonce": "0", "status": 200}), b"1").await;
    };
    let (fault, ()) = tokio::join!(channel.invoke(request(Bytes::new()), soon()), serve);
    assert!(matches!(fault.unwrap_err().kind, FaultKind::Tainted(_)));
    let again = channel.invoke(request(Bytes::new()), soon()).await;
    assert!(
        matches!(again.unwrap_err().kind, FaultKind::Tainted(_)),
        "a tainted channel serves nothing more"
    );
}

#[tokio::test]
async fn a_second_answer_taints_the_next_call() {
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    let serve = async {
        let nonce = shim.request().await["nonce"].clone();
        for _ in 0..2 {
            shim.send(Kind::Result, json!({"nonce": nonce, "status": 200}), b"1").await;
        }
    };
    let (first, ()) = tokio::join!(channel.invoke(request(Bytes::new()), soon()), serve);
    first.unwrap();
    assert!(!channel.is_clean());
    let second = channel.invoke(request(Bytes::new()), soon()).await;
    assert!(matches!(second.unwrap_err().kind, FaultKind::Tainted(_)));
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_keeps_the_logs() {
    let (mut channel, mut shim) = pair(ChannelLimits::default());
    shim.logs.write_all(b"so far").await.unwrap();
    let call = async {
        let deadline = Instant::now() + Duration::from_millis(50);
        let fault = channel.invoke(request(Bytes::new()), deadline).await.unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Deadline));
    };
    call.await;
}

#[tokio::test]
async fn the_end_of_the_process_is_told_from_a_long_wait() {
    let (mut channel, shim) = pair(ChannelLimits::default());
    drop(shim);
    let fault = channel.invoke(request(Bytes::from(vec![0; 1 << 20])), soon()).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Ended));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_announcement() {
    let frame = FrameLimits { header: 1 << 10, body: 8 };
    let (mut channel, mut shim) = pair(ChannelLimits { frame, ..ChannelLimits::default() });
    let (fault, ()) = tokio::join!(channel.invoke(request(Bytes::new()), soon()), shim.answer(b"123456789"));
    assert!(matches!(fault.unwrap_err().kind, FaultKind::AnswerTooLarge { len: 9, limit: 8 }));
}

#[tokio::test]
async fn a_flood_of_logs_neither_stalls_nor_outlasts_the_deadline() {
    let (mut channel, mut shim) = pair(ChannelLimits { logs: 10, ..ChannelLimits::default() });
    let flood = async {
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            shim.logs.write_all(&chunk).await.unwrap();
        }
        shim.answer(b"1").await;
    };
    let (reply, ()) = tokio::join!(channel.invoke(request(Bytes::new()), soon()), flood);
    let text = reply.unwrap().logs.into_text();
    assert!(text.starts_with("xxxxxxxxxx\n… [104857590 more bytes"), "{text}");
}

#[tokio::test]
async fn what_prints_without_end_does_not_keep_an_answer_back() {
    let (mut channel, mut shim) = pair(ChannelLimits { logs: 10, ..ChannelLimits::default() });
    let logs = std::fs::File::from(shim.logs.into_blocking_fd().unwrap());
    // As fast as it can, until the channel is dropped: the pipe is never empty for long.
    let flood = std::thread::spawn(move || while (&logs).write_all(&[b'x'; 64 << 10]).is_ok() {});
    let serve = async {
        for _ in 0..3 {
            let header: Value = {
                let frame = Frame::read(&mut shim.requests, FrameLimits::default()).await.unwrap();
                serde_json::from_slice(&frame.header).unwrap()
            };
            let result =
                Frame::new(Kind::Result, &json!({"nonce": header["nonce"], "status": 200}), Bytes::new());
            shim.answers.write_all(&result.encode()).await.unwrap();
        }
    };
    let call = async {
        for _ in 0..3 {
            channel.invoke(request(Bytes::new()), soon()).await.unwrap();
        }
    };
    tokio::join!(call, serve);
    drop(channel);
    flood.join().unwrap();
}

/// A request of which a byte was read, or still may be, could have been acted upon; any other may be given away.
#[tokio::test]
async fn a_request_is_untaken_where_nobody_has_read_it_and_nobody_can() {
    let call = |mut channel: Channel, shim: Shim, has_reader: bool, read: usize| async move {
        let Shim { requests, answers, logs } = shim;
        let dies = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(requests.try_read(&mut vec![0; read]).unwrap_or(0), read);
            drop((answers, logs));
            has_reader.then_some(requests)
        };
        let (outcome, reader) =
            tokio::join!(channel.invoke(request(Bytes::from_static(b"{}")), soon()), dies);
        assert!(matches!(outcome.unwrap_err().kind, FaultKind::Ended));
        (channel.is_untaken(), reader).0
    };
    for (has_reader, read, is_untaken) in
        [(false, 0, true), (true, 0, false), (false, 1, false), (true, 1, false)]
    {
        let (channel, shim) = pair(ChannelLimits::default());
        let found = call(channel, shim, has_reader, read).await;
        assert_eq!(found, is_untaken, "with a reader: {has_reader}, {read} bytes read");
    }
    // Dead before the request was sent.
    let (mut channel, shim) = pair(ChannelLimits::default());
    drop(shim);
    assert!(!channel.is_untaken(), "there was no request");
    channel.invoke(request(Bytes::new()), soon()).await.unwrap_err();
    assert!(channel.is_untaken());
}
