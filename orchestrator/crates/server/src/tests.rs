//! Connections over a real socket: limits, timeouts and the way down.

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

struct Running {
    address: SocketAddr,
    closing: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

async fn start(router: Router, max_per_address: usize) -> Running {
    let limits = Limits { connections_per_address: max_per_address, ..Limits::default() };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let (address, closing) = (server.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(server.run(router, closing.clone(), Duration::from_secs(30)));
    Running { address, closing, served }
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset by the server is an end too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

const CLOSE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn requests_are_answered() {
    let running = start(Router::new().route("/", get(|| async { "hello" })), 10).await;
    let answer = rest(send(running.address, CLOSE).await).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test]
async fn the_way_down_waits_for_a_running_request_and_closes_idle_connections() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered2, go2) = (Arc::clone(&entered), Arc::clone(&go));
    let handler = move || async move {
        entered2.notify_one();
        go2.notified().await;
        "late"
    };
    let running = start(Router::new().route("/", get(handler)), 10).await;
    let idle = send(running.address, "").await;
    let busy = send(running.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    entered.notified().await;
    running.closing.cancel();
    assert_eq!(rest(idle).await, "");
    go.notify_one();
    let answer = rest(busy).await;
    assert!(answer.ends_with("late"), "{answer}");
    running.served.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let running = start(Router::new().route("/", get(|| async { "hello" })), 1).await;
    let mut first = send(running.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut begin = [0; 12];
    first.read_exact(&mut begin).await.unwrap();
    assert_eq!(rest(send(running.address, CLOSE).await).await, "");
    drop(first);
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_head_of_too_many_headers_is_refused() {
    let running = start(Router::new().route("/", get(|| async { "hello" })), 10).await;
    let headers: String = (0..MAX_HEADERS + 1).map(|n| format!("x-{n}: 1\r\n")).collect();
    let answer =
        rest(send(running.address, &format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n")).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_cut_off() {
    let running = start(Router::new().route("/", get(|| async { "hello" })), 10).await;
    let slow = send(running.address, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    let silent = send(running.address, "").await;
    assert_eq!(rest(slow).await, "");
    assert_eq!(rest(silent).await, "");
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_cut_off() {
    const LEN: usize = 32 << 20;
    let running = start(Router::new().route("/", get(|| async { vec![b'x'; LEN] })), 10).await;
    let stream = send(running.address, CLOSE).await;
    tokio::time::sleep(Timeouts::default().answer * 2).await;
    let taken = rest(stream).await.len();
    assert!((1..LEN).contains(&taken), "{taken} bytes were taken");
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let sent = body.clone();
    let running = start(Router::new().route("/", get(move || async move { sent })), 10).await;
    let answer = rest(send(running.address, CLOSE).await).await;
    let (head, taken) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-length: 3000000"), "{head}");
    assert!(taken.as_bytes() == body);
    running.closing.cancel();
    running.served.await.unwrap();
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_arrives() {
    let refuse = || async { ([("connection", "close")], "enough") };
    let running = start(Router::new().route("/", axum::routing::post(refuse)), 10).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000000\r\n\r\n";
    let mut stream = send(running.address, head).await;
    for _ in 0..100 {
        stream.write_all(&[b'x'; 64 << 10]).await.unwrap();
    }
    assert!(rest(stream).await.ends_with("enough"));
    running.closing.cancel();
    running.served.await.unwrap();
}

/// What each of these bytes is answered with: a status, and whether the connection ends with it.
#[tokio::test]
async fn requests_have_one_meaning_or_none() {
    let echo = |body: axum::body::Bytes| async move { body };
    let running = start(Router::new().route("/", axum::routing::post(echo)), 100).await;
    let with = |headers: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}");
    let (cl, te) = ("content-length: 4\r\n", "transfer-encoding: chunked\r\n");
    let chunks = "4\r\nabcd\r\n0\r\n\r\n";
    let next = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for (bytes, status, answers) in [
        (with(cl, "abcd"), 200, 1),
        (with(te, chunks), 200, 1),
        // The encoding counts, and the connection ends, so that nothing can be behind it.
        (with(&format!("{cl}{te}"), &format!("{chunks}{next}")), 200, 1),
        (with(&format!("{te}{cl}"), &format!("{chunks}{next}")), 200, 1),
        (with("content-length: 4\r\ncontent-length: 5\r\n", "abcde"), 400, 1),
        (with("content-length: 4, 4\r\n", "abcd"), 400, 1),
        (with("content-length: +4\r\n", "abcd"), 400, 1),
        (with("content-length: -1\r\n", ""), 400, 1),
        (with("content-length: 18446744073709551620\r\n", "abcd"), 400, 1),
        (with("content-length : 4\r\n", "abcd"), 400, 1),
        (with("transfer-encoding: xchunked\r\n", chunks), 400, 1),
        (with("transfer-encoding: chunked, identity\r\n", chunks), 400, 1),
        (with("transfer-encoding: gzip, chunked\r\n", chunks), 400, 1),
        (with(&format!("{te}{te}"), chunks), 400, 1),
        (with("transfer-encoding:\u{b}chunked\r\n", chunks), 400, 1),
        (with(te, "4\nabcd\n0\n\n"), 400, 1),
        (with(te, "ffffffffffffffff1\r\nabcd\r\n0\r\n\r\n"), 400, 1),
        (with(te, "-4\r\nabcd\r\n0\r\n\r\n"), 400, 1),
        (with(te, &format!("4;{}\r\nabcd\r\n0\r\n\r\n", "x".repeat(100_000))), 400, 1),
        (with("x: a\r\n b\r\n", ""), 400, 1),
        (with("x: a\0b\r\n", ""), 400, 1),
        (with("x: a\rb\r\n", ""), 400, 1),
        (with("host: y\r\n", ""), 400, 1),
        ("POST / HTTP/1.1\r\n\r\n".to_owned(), 400, 1),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned() + chunks, 400, 1),
        ("POST / HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(), 400, 1),
        ("CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n".to_owned(), 400, 1),
        (format!("POST /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000)), 431, 1),
        // Two requests are two requests.
        (with(cl, "abcd") + &with(cl, "efgh"), 200, 2),
        // RFC 9112 (2.2) lets a line end with a line feed alone: still one request with four bytes.
        ("POST / HTTP/1.1\nhost: x\ncontent-length: 4\n\nabcd".to_owned(), 200, 1),
        ("POST http://other/ HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".to_owned(), 200, 1),
    ] {
        let mut stream = send(running.address, &bytes).await;
        stream.shutdown().await.unwrap();
        let answer = rest(stream).await;
        let shown = &bytes[..bytes.len().min(120)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), answers, "{shown:?}: {answer}");
        assert!(!answer.contains(" 404"), "{shown:?}: {answer}");
    }
    running.closing.cancel();
    running.served.await.unwrap();
}
