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
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), 100, max_per_address).await.unwrap();
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
    let answer = rest(send(running.address, &format!("GET / HTTP/1.1\r\n{headers}\r\n")).await).await;
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
