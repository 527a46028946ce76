//! G1: clients that are slow, silent or greedy, two thousand of each kind, with the product's timeouts set short.

use std::time::Duration;

use cloudbox_tests::{Answer, Api, Stage};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::{descriptors, stage};

/// Connections of each kind.
const CLIENTS: usize = 2000;
/// Connections of one address, fewer than it may have.
const PER_ADDRESS: usize = 200;
/// A segment so short that the kernel takes little of an answer before its client does.
const SHORT_SEGMENT: u32 = 536;
/// How long the last of them may stay: never a measure, but the test's end.
const END: Duration = Duration::from_secs(300);

const TIMEOUTS: [(&str, &str); 5] = [
    // Long enough for an honest neighbour, on a machine that has two thousand others to accept first.
    ("CLOUDBOX_HTTP_REQUEST_HEAD_TIMEOUT_S", "10"),
    ("CLOUDBOX_HTTP_REQUEST_BODY_IDLE_TIMEOUT_S", "3"),
    ("CLOUDBOX_HTTP_REQUEST_BODY_TIMEOUT_S", "5"),
    ("CLOUDBOX_HTTP_RESPONSE_IDLE_TIMEOUT_S", "3"),
    // As long: it begins with the connection, too.
    ("CLOUDBOX_HTTP_IDLE_TIMEOUT_S", "10"),
];

/// A connection from the address of its number.
async fn connect(stage: &Stage, number: usize, is_greedy: bool) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let host = 10 + number / PER_ADDRESS;
    socket.bind(format!("127.0.0.{host}:0").parse().unwrap()).unwrap();
    if is_greedy {
        socket.set_recv_buffer_size(2048).unwrap();
        setsockopt(&socket, sockopt::TcpMaxSeg, &SHORT_SEGMENT).unwrap();
    }
    let address = stage.api.base.trim_start_matches("http://").parse().unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_slow_clients() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(most as usize > 2 * CLIENTS + 500, "{most} descriptors are too few for this test");
    let Some(mut stage) = stage(&TIMEOUTS).await else { return };
    let function = "/p/default/functions/neighbour-js HTTP/1.1\r\nhost: x\r\n";
    let pages = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(4);
    for (kind, bytes) in [
        ("silent", String::new()),
        ("a slow head", format!("POST {function}x-slow: ")),
        ("a slow body", format!("POST {function}content-length: 1000\r\n\r\n{{")),
        ("slow chunks", format!("POST {function}transfer-encoding: chunked\r\n\r\n1\r\n{{")),
        ("an answer that is not taken", pages),
        ("idle after a request", "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n".to_owned()),
    ] {
        let before = descriptors(&stage);
        let mut clients = Vec::with_capacity(CLIENTS);
        for number in 0..CLIENTS {
            let mut client = connect(&stage, number, kind.starts_with("an answer")).await;
            let _ = client.write_all(bytes.as_bytes()).await;
            clients.push(client);
        }
        // A client of its own: one that was idle has been closed by the service too.
        stage.api = stage.service.api();
        stage.neighbours_answer().await;
        let during = descriptors(&stage);
        assert!(during <= before + CLIENTS + 100, "{kind}: {during} descriptors");
        // All of them are closed by the service: none by its client, who only waits.
        let all_closed = async {
            while descriptors(&stage) > before + 50 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let ended = tokio::time::timeout(END, all_closed).await;
        assert!(ended.is_ok(), "{kind}: {} descriptors are open", descriptors(&stage));
        drop(clients);
    }
    stage.api = stage.service.api();
    stage.is_healthy().await;
    stage.stop().await;
}

/// Beyond the limits of one address, of a project and of the service, each refusal says when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn g1_too_many_at_once() {
    let settings = [
        ("CLOUDBOX_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "20"),
        ("CLOUDBOX_HTTP_MAX_CALLS_PER_PROJECT", "4"),
        ("CLOUDBOX_HTTP_MAX_REQUESTS", "8"),
    ];
    let Some(stage) = stage(&settings).await else { return };
    let code = "exports.handler = async () => new Promise((done) => setTimeout(() => done('slept'), 1500));";
    let callers: Vec<_> = ["default", "one", "two"].iter().map(|slug| stage.api.in_project(slug)).collect();
    for caller in &callers {
        let project = json!({ "name": caller.project, "slug": caller.project });
        let _ = caller.post("/api/projects", &project).await;
        caller.launch("sleeps", "javascript", code).await;
    }
    let call = |caller: &Api| Answer::of(caller.anonymous().public(Method::POST, "sleeps", ""));
    // Seven calls of one project, and four of each of three.
    let of_one: Vec<&Api> = vec![&callers[0]; 7];
    let of_all: Vec<&Api> = callers.iter().cycle().take(12).collect();
    for (callers, status, code) in [(of_one, 429, "RATE_LIMITED"), (of_all, 503, "OVERLOADED")] {
        let answers = futures::future::join_all(callers.into_iter().map(call)).await;
        assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 4);
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == status).collect();
        assert!(!refused.is_empty(), "none is refused with {status}");
        for answer in refused {
            assert_eq!(answer.json::<serde_json::Value>()["code"], code);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(connect(&stage, 0, false).await);
    }
    stage.neighbours_answer().await;
    drop(open);
    stage.is_healthy().await;
    stage.stop().await;
}
