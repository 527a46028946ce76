//! G2 and G3: requests with two meanings, paths with two readings, and bodies beyond every limit, as raw bytes.

use std::time::Duration;

use cloudbox_tests::{Answer, Stage};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stage;

const ECHO: &str = "/p/default/functions/neighbour-js";

/// Sends bytes, and reads until the service closes.
async fn exchange(stage: &Stage, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(stage.api.base.trim_start_matches("http://")).await.unwrap();
    for part in parts {
        // Who is refused in the middle may be cut off in the middle.
        if stream.write_all(part).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(300), reading).await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}")
}

/// The bytes that `orchestrator/crates/server` tests one by one, through the whole product: none reaches another route.
#[tokio::test(flavor = "multi_thread")]
async fn g2_smuggling() {
    let Some(stage) = stage(&[]).await else { return };
    let smuggled = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let te = "transfer-encoding: chunked\r\n";
    for (headers, body, status) in [
        ("content-length: 4\r\n".to_owned(), "1234".to_owned(), 200),
        (format!("content-length: 4\r\n{te}"), format!("0\r\n\r\n{smuggled}"), 200),
        (format!("{te}content-length: 4\r\n"), format!("0\r\n\r\n{smuggled}"), 200),
        ("content-length: 4\r\ncontent-length: 0\r\n".to_owned(), smuggled.to_owned(), 400),
        ("transfer-encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{smuggled}"), 400),
        (te.to_owned(), format!("fffffffffffffffff\r\n{smuggled}"), 400),
        (te.to_owned(), format!("0;{}\r\n\r\n{smuggled}", "x".repeat(1 << 20)), 400),
        ("x: a\r\n b\r\n".to_owned(), smuggled.to_owned(), 400),
        ("x: a\0\r\n".to_owned(), smuggled.to_owned(), 400),
        ("host: y\r\n".to_owned(), smuggled.to_owned(), 400),
    ] {
        let answer = exchange(&stage, &[post(ECHO, &headers, &body).as_bytes()]).await;
        let shown = &headers[..headers.len().min(80)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?}: {answer}");
        assert!(!answer.contains("uptime"), "{shown:?}: {answer}");
    }
    for (path, status) in [
        (ECHO, 200),
        ("http://elsewhere/p/default/functions/neighbour-js", 200),
        ("/p/default/functions/%6eeighbour-js", 200),
        ("/p/default/functions/%256eeighbour-js", 404),
        ("/p/default/functions/neighbour-js/%2e%2e/%2e%2e/api/projects", 200),
        ("/p/default/functions/neighbour-js/../../../../api/projects", 200),
        ("/p/default/functions/..%2fneighbour-js", 404),
        ("/p/default/functions/neighbour-js%00", 404),
        ("/p/default%2ffunctions/neighbour-js", 404),
        ("//p/../api/projects", 404),
        ("/p/../api/projects", 404),
        ("//api/projects", 404),
        ("/api%2fprojects", 404),
        ("/%61pi/projects", 404),
        ("/api/./projects", 404),
        ("/API/projects", 404),
        ("/api/projects", 401),
        ("/api/projects/1%2ffunctions", 401),
        ("/docs/..%2f..%2fetc%2fpasswd", 404),
        ("/docs/../../../../etc/passwd", 404),
    ] {
        let method = if status == 401 || path.starts_with("/docs") { "GET" } else { "POST" };
        let bytes = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = exchange(&stage, &[bytes.as_bytes()]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(!answer.contains("root:"), "{path}: {answer}");
    }
    stage.is_healthy().await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g3_bodies() {
    let Some(stage) = stage(&[]).await else { return };
    too_long(&stage).await;
    odd_json(&stage).await;
    let floods = [("content-encoding", "gzip"), ("content-type", "application/json")];
    for header in floods {
        // What says that it is compressed is bytes as any other.
        let body = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let request = stage.api.public(Method::POST, "neighbour-py", "").header(header.0, header.1);
        let echoed: Value = Answer::of(request.body(body.to_vec())).await.with(200).json();
        assert_eq!(echoed, json!({ "base64": "H4sIAAAAAAAAAw==" }));
    }
    stage.is_healthy().await;
    stage.stop().await;
}

async fn too_long(stage: &Stage) {
    let refused = |answer: &str| {
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    };
    // Refused for its length alone: nothing of it is sent.
    refused(&exchange(stage, &[post(ECHO, "content-length: 100000000\r\n", "").as_bytes()]).await);
    let megabyte = vec![b'1'; 1 << 20];
    let chunk = [b"100000\r\n", megabyte.as_slice(), b"\r\n"].concat();
    let mut chunks = vec![chunk.as_slice(); 100];
    let head = post(ECHO, "transfer-encoding: chunked\r\n", "");
    chunks.insert(0, head.as_bytes());
    refused(&exchange(stage, &chunks).await);
    let whole = vec![megabyte.as_slice(); 100];
    let head = post(ECHO, "content-length: 104857600\r\n", "");
    refused(&exchange(stage, &[&[head.as_bytes()], whole.as_slice()].concat()).await);
}

async fn odd_json(stage: &Stage) {
    let api = &stage.api;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let execute = api.functions("/neighbour-go/execute");
    for (path, body, field) in [
        (api.functions(""), nested(100_000), "body"),
        (api.functions(""), format!("{{\"name\": {}}}", nested(100_000)), "body"),
        (api.functions(""), "[".repeat(5 << 20), "body"),
        (api.functions(""), r#"{"name": "a", "name": "b"}"#.to_owned(), "name"),
        (
            api.functions(""),
            r#"{"name": "a", "environment": {"A": "1", "A": "2"}}"#.to_owned(),
            "environment",
        ),
        (execute.clone(), format!("{{\"data\": {}}}", nested(100_000)), "data"),
        (execute.clone(), r#"{"data": 1, "data": 2}"#.to_owned(), "data"),
        (ECHO.to_owned(), nested(129), "body"),
        (ECHO.to_owned(), nested(100_000), "body"),
        (ECHO.to_owned(), "{\"a\":[".repeat(500_000), "body"),
    ] {
        let shown = body[..body.len().min(60)].to_owned();
        let refusal = Answer::of(api.request(Method::POST, &path).body(body)).await;
        let refusal = refusal.error(ErrorCode::ValidationError);
        let named = refusal["details"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{shown}: {refusal}");
    }
    for (body, echoed) in [
        (format!("{{\"a\":{}}}", nested(127)), None),
        // Of a key that stands twice in what is the function's own, its parser's choice counts.
        (r#"{"a": 1, "a": 2}"#.to_owned(), Some(json!({ "a": 2 }))),
    ] {
        for neighbour in ["neighbour-js", "neighbour-py", "neighbour-go"] {
            let answer =
                Answer::of(api.public(Method::POST, neighbour, "").body(body.clone())).await.with(200);
            assert!(echoed.is_none() || echoed == Some(answer.json()), "{neighbour}: {}", answer.text());
        }
    }
    // No JSON, so a text, however many brackets it has.
    let text = format!("x{}", "[".repeat(100_000));
    for neighbour in ["neighbour-js", "neighbour-py"] {
        let answer = Answer::of(api.public(Method::POST, neighbour, "").body(text.clone())).await.with(200);
        assert_eq!(answer.json::<Value>(), json!(text), "{neighbour}");
    }
    many_keys(stage).await;
}

/// As many keys as bodies hold: for a map, for the list of problems, and for a function.
async fn many_keys(stage: &Stage) {
    let keys: Vec<String> = (0..400_000).map(|number| format!("\"k{number}\":1")).collect();
    let body = format!("{{{}}}", keys.join(","));
    let before = stage.resident();
    let request = stage.api.request(Method::POST, &stage.api.functions("")).body(body.clone());
    let answer = Answer::of(request).await;
    assert!(answer.body.len() < 128 << 10, "{} bytes of an error", answer.body.len());
    let _ = answer.error(ErrorCode::ValidationError);
    let request = stage.api.public(Method::POST, "neighbour-js", "").body(body);
    let answer = Answer::of(request).await.with(200);
    assert_eq!(answer.body.len(), keys.join(",").len() + 2);
    let after = stage.resident();
    assert!(after < before + (256 << 20), "from {before} to {after} bytes");
}
