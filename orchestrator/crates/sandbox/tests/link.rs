//! The control socket against whoever else may be at its other end: the pipes that were announced, or an error.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cloudbox_egress::Sockets;
use cloudbox_protocol::control::{FromInit, MAX_MESSAGE, ToInit};
use cloudbox_sandbox::Error;
use cloudbox_sandbox::link::{Control, Listener, Pipes};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// The service's end, and the peer's.
fn pair() -> (Control, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Control::new(tokio::net::UnixStream::from_std(ours).unwrap(), None), theirs)
}

fn message(json: &serde_json::Value) -> Vec<u8> {
    framed(json.to_string().as_bytes())
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn ready() -> Vec<u8> {
    message(&json!({ "type": "ready", "missing": [], "landlock_abi": 2 }))
}

/// Sends bytes with descriptors beside them.
fn send(peer: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    assert!(rights.push(SendAncillaryMessage::ScmRights(descriptors)));
    let sent = sendmsg(peer, &[IoSlice::new(bytes)], &mut rights, SendFlags::empty()).unwrap();
    assert_eq!(sent, bytes.len());
}

/// The peer's and the service's ends of the three pipes.
struct Ends {
    own: [OwnedFd; 3],
    services: [OwnedFd; 3],
}

fn ends() -> Ends {
    let [(requests, to_requests), (from_answers, answers), (from_logs, logs)] =
        std::array::from_fn(|_| rustix::pipe::pipe().unwrap());
    Ends { own: [requests, answers, logs], services: [to_requests, from_answers, from_logs] }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// What became of a peer that sent this.
async fn told(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Pipes, Error> {
    let (mut control, peer) = pair();
    send(&peer, bytes, descriptors);
    let outcome = control.ready(soon()).await;
    drop(peer);
    outcome
}

#[track_caller]
fn is_refused(outcome: Result<Pipes, Error>, why: &str) {
    let Err(Error::Setup { step, message }) = outcome else { panic!("{outcome:?}") };
    assert!(step == "control" && message.contains(why), "{step}: {message}");
}

#[tokio::test]
async fn three_pipes_become_the_ends_that_they_are() {
    let (mut control, peer) = pair();
    let Ends { own: [requests, answers, logs], services } = ends();
    send(&peer, &ready(), &services.each_ref().map(AsFd::as_fd));
    drop(services);
    let mut pipes = control.ready(soon()).await.unwrap();
    assert_eq!(control.kernel().landlock_abi, 2);
    pipes.requests.write_all(b"request").await.unwrap();
    File::from(answers).write_all(b"answer").unwrap();
    File::from(logs).write_all(b"logs").unwrap();
    let mut request = [0; 7];
    File::from(requests).read_exact(&mut request).unwrap();
    assert_eq!(&request, b"request");
    let mut text = String::new();
    pipes.answers.read_to_string(&mut text).await.unwrap();
    pipes.logs.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answerlogs");
}

#[tokio::test]
async fn fewer_or_more_descriptors_are_refused_and_closed() {
    for count in [0, 1, 2, 4, 9] {
        let (mut control, peer) = pair();
        let pipes: Vec<(OwnedFd, OwnedFd)> = (0..count).map(|_| rustix::pipe::pipe().unwrap()).collect();
        let (reads, writes): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        send(&peer, &ready(), &writes.iter().map(AsFd::as_fd).collect::<Vec<_>>());
        drop(writes);
        is_refused(control.ready(soon()).await, if count < 3 { "three pipes" } else { "more descriptors" });
        drop((control, peer));
        for read in reads {
            // At its end: nobody has the other one.
            assert_eq!(File::from(read).read(&mut [0]).unwrap(), 0, "{count} descriptors");
        }
    }
}

#[tokio::test]
async fn descriptors_that_come_in_pieces_are_counted_together() {
    let (mut control, peer) = pair();
    let Ends { own: _own, services } = ends();
    let bytes = ready();
    for (byte, at) in bytes.chunks(1).zip(0..) {
        let with: Vec<_> = services.get(at).map(AsFd::as_fd).into_iter().collect();
        send(&peer, byte, &with);
    }
    control.ready(soon()).await.unwrap();
    let (mut control, peer) = pair();
    for byte in bytes.chunks(1) {
        send(&peer, byte, &[services[0].as_fd()]);
    }
    is_refused(control.ready(soon()).await, "more descriptors");
}

#[tokio::test]
async fn what_is_no_pipe_or_the_wrong_end_is_refused() {
    let Ends { own, services: [requests, answers, logs] } = ends();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let file = tempfile::tempfile().unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    for stranger in [null.as_fd(), file.as_fd(), socket.as_fd()] {
        is_refused(told(&ready(), &[stranger, answers.as_fd(), logs.as_fd()]).await, "three pipes");
        is_refused(told(&ready(), &[requests.as_fd(), answers.as_fd(), stranger]).await, "three pipes");
    }
    is_refused(told(&ready(), &[answers.as_fd(), requests.as_fd(), logs.as_fd()]).await, "");
    is_refused(told(&ready(), &own.each_ref().map(AsFd::as_fd)).await, "");
}

/// What became of a peer that sent these as the sockets that were asked for: one for datagrams, one listener.
async fn listened(datagrams: u16, stream: u16, sent: &[BorrowedFd<'_>]) -> Result<Sockets, Error> {
    let (mut control, peer) = pair();
    send(&peer, &message(&json!({ "type": "listening" })), sent);
    control.listen(datagrams, &BTreeSet::from([stream])).await
}

#[tokio::test]
async fn sockets_are_those_that_were_asked_for() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let (names, stream) = (datagrams.local_addr().unwrap().port(), listener.local_addr().unwrap().port());
    let both = [datagrams.as_fd(), listener.as_fd()];
    let sockets = listened(names, stream, &both).await.unwrap();
    assert_eq!(sockets.listeners.len(), 1);
    let (socket, _other) = UnixStream::pair().unwrap();
    let local = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pipe = rustix::pipe::pipe().unwrap();
    for strangers in [
        &[both[0]][..],
        &[both[1], both[0]],
        &[both[0], both[0]],
        &[both[0], socket.as_fd()],
        &[both[0], local.as_fd()],
        &[pipe.0.as_fd(), both[1]],
        &[both[0], both[1], both[1]],
    ] {
        assert!(listened(names, stream, strangers).await.is_err(), "{} descriptors", strangers.len());
    }
    assert!(
        listened(names ^ 1, stream, &both).await.is_err()
            && listened(names, stream ^ 1, &both).await.is_err()
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_announcement() {
    for len in [MAX_MESSAGE as u32 + 1, i32::MAX as u32, u32::MAX] {
        is_refused(told(&len.to_be_bytes(), &[]).await, "the limit is");
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let deep = format!("{{\"type\":{}", "[".repeat(100_000));
    for junk in [
        &b""[..],
        b"{",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"{\"type\":\"start\"}",
        b"{\"type\":\"ready\"}x",
        deep.as_bytes(),
    ] {
        is_refused(told(&framed(junk), &[]).await, "");
    }
    let other = message(&json!({ "type": "started", "pid": 7 }));
    is_refused(told(&other, &[]).await, "before Ready");
    let failed = message(&json!({ "type": "failed", "step": "pivot_root", "error": "no" }));
    let outcome = told(&failed, &[]).await;
    assert!(matches!(outcome, Err(Error::Setup { step, .. }) if step == "pivot_root"));
}

#[tokio::test]
async fn a_peer_that_ends_is_told_from_one_that_waits() {
    for cut in [0, 1, 3, 4, 20] {
        let (mut control, mut peer) = pair();
        peer.write_all(&ready()[..cut]).unwrap();
        let waited = control.ready(Instant::now() + Duration::from_millis(20)).await;
        assert!(matches!(waited, Err(Error::StartTimeout { .. })), "{waited:?}");
        // The wait was broken off, and what has arrived is not lost.
        drop(peer);
        let ended = control.ready(soon()).await;
        assert!(matches!(ended, Err(Error::Gone)), "{ended:?}");
        let sent = control.send(&ToInit::Processes).await;
        assert!(matches!(sent, Err(Error::Gone)), "{sent:?}");
    }
}

#[tokio::test]
async fn a_message_in_two_halves_survives_a_wait_that_was_broken_off() {
    let (mut control, mut peer) = pair();
    let bytes = [
        message(&json!({ "type": "started", "pid": 7 })),
        message(&json!({ "type": "processes", "count": 2 })),
    ]
    .concat();
    for byte in bytes.chunks(1) {
        let waited = tokio::time::timeout(Duration::from_millis(1), control.receive()).await;
        assert!(waited.is_err() || matches!(waited, Ok(Ok(FromInit::Started { pid: 7 }))), "{waited:?}");
        peer.write_all(byte).unwrap();
    }
    assert_eq!(control.receive().await.unwrap(), FromInit::Processes { count: 2 });
}

#[tokio::test]
async fn random_bytes_never_become_pipes() {
    let Ends { own: _own, services } = ends();
    for _ in 0..500 {
        let mut bytes = ready();
        for _ in 0..rand::random_range(1..5) {
            let at = rand::random_range(0..bytes.len());
            bytes[at] = rand::random();
        }
        let is_intact = bytes == ready();
        let (mut control, peer) = pair();
        send(&peer, &bytes, &services.each_ref().map(AsFd::as_fd));
        drop(peer);
        // A changed byte may be a blank in a number's place: then it is another message that means as much.
        if let Ok(pipes) = control.ready(soon()).await {
            assert!(is_intact || serde_json::from_slice::<FromInit>(&bytes[4..]).is_ok(), "{pipes:?}");
        }
    }
}

#[tokio::test]
async fn a_stranger_who_connects_first_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let own = Listener::bind(folder.path(), 0).unwrap();
    let path = own.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let right = UnixStream::connect(&path).unwrap();
    own.accept(soon()).await.unwrap();
    assert!(!path.exists(), "nobody else connects to it");
    drop(right);
    // To this one, root is a stranger.
    let other = Listener::bind(folder.path(), 4242).unwrap();
    let mut stranger = UnixStream::connect(&path).unwrap();
    let outcome = other.accept(Instant::now() + Duration::from_millis(100)).await;
    assert!(matches!(outcome, Err(Error::StartTimeout { .. })), "{outcome:?}");
    assert_eq!(stranger.read(&mut [0]).unwrap(), 0, "the connection was closed");
}
