//! Requests whose bodies go to their function while they arrive: in every language, on both drivers.

use std::time::Duration;

use cloudbox_tests::{Answer, Api, Driver, Plan};
use futures::{SinkExt as _, channel::mpsc};
use reqwest::{Body, Method};

/// How long anything may take: never the measure of a test, but its end.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of a body that is too long to be held, and of one that is too long altogether.
const LONG: usize = 3 << 19;
const TOO_LONG: usize = 3 << 20;
/// What bounds streams here.
const MAX_STREAM_BYTES: &str = "2097152";
/// What bounds bodies that are held.
const MAX_REQUEST_BYTES: &str = "1048576";

/// Functions that answer with the number of bytes that they read: all, or with the query `none` none of them. With `echo`
/// they answer with what they read, as they read it.
const SOURCES: [(&str, &str, &str, &str); 6] = [
    (
        "fetch",
        "javascript",
        "handler",
        "export default { async fetch(request) {
  const query = new URL(request.url).search;
  if (query === '?none') return new Response('none');
  if (query === '?echo') return new Response(request.body);
  let size = 0;
  for await (const piece of request.body) size += piece.length;
  return new Response(String(size));
} };",
    ),
    (
        "req-res",
        "javascript",
        "handler",
        "module.exports = async (req, res) => {
  if ('none' in req.query) return res.send('none');
  if ('echo' in req.query) return req.pipe(res);
  let size = 0;
  for await (const piece of req) size += piece.length;
  res.type('text').send(String(size));
};",
    ),
    (
        "server",
        "javascript",
        "handler",
        "module.exports = require('http').createServer(async (req, res) => {
  if (req.url.endsWith('?none')) return res.end('none');
  if (req.url.endsWith('?echo')) return req.pipe(res);
  let size = 0;
  for await (const piece of req) size += piece.length;
  res.end(String(size));
});",
    ),
    (
        "asgi",
        "python",
        "app",
        "async def app(scope, receive, send):
    if scope['type'] != 'http': raise RuntimeError('no lifespan')
    query, size, more = scope['query_string'], 0, scope['query_string'] != b'none'
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    while more:
        message = await receive()
        more = message['more_body']
        size += len(message['body'])
        if query == b'echo': await send({'type': 'http.response.body', 'body': message['body'], 'more_body': True})
    text = b'' if query == b'echo' else b'none' if query == b'none' else str(size).encode()
    await send({'type': 'http.response.body', 'body': text})
",
    ),
    (
        "wsgi",
        "python",
        "application",
        "def pieces(stream):
    while True:
        piece = stream.read1(65536)
        if not piece: return
        yield piece

def application(environ, start_response):
    start_response('200 OK', [])
    if environ['QUERY_STRING'] == 'none': return [b'none']
    if environ['QUERY_STRING'] == 'echo': return pieces(environ['wsgi.input'])
    return [str(sum(len(piece) for piece in pieces(environ['wsgi.input']))).encode()]
",
    ),
    (
        "go",
        "go",
        "handler",
        "package main

import (
	\"fmt\"
	\"io\"
	\"net/http\"
)

func handler(w http.ResponseWriter, r *http.Request) {
	switch r.URL.RawQuery {
	case \"none\":
		fmt.Fprint(w, \"none\")
	case \"echo\":
		buffer := make([]byte, 65536)
		for {
			n, err := r.Body.Read(buffer)
			_, _ = w.Write(buffer[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	default:
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(err)
		}
		fmt.Fprint(w, n)
	}
}
",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn native() {
    run(Driver::Native, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker() {
    run(Driver::Docker, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_at_once() {
    run(Driver::Native, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_at_once() {
    run(Driver::Docker, 5).await;
}

/// With as many calls at once in one sandbox; some of them are made at the same time then.
async fn run(driver: Driver, concurrency: usize) {
    if !driver.is_tested() {
        return;
    }
    let plan = Plan::new(driver)
        .with("CLOUDBOX_LIMITS_MAX_STREAM_BYTES", MAX_STREAM_BYTES)
        .with("CLOUDBOX_LIMITS_MAX_REQUEST_BYTES", MAX_REQUEST_BYTES);
    let service = plan.with("CLOUDBOX_HTTP_REQUEST_BODY_IDLE_TIMEOUT_S", "3").start().await;
    let api = service.api();
    futures::future::join_all(SOURCES.map(|source| launched(&api, source, concurrency))).await;
    let api = &api.anonymous();
    let twice = if concurrency > 1 { &[(), ()][..] } else { &[()] };
    let all = SOURCES
        .iter()
        .flat_map(|(name, ..)| twice.iter().map(move |()| tokio::time::timeout(PATIENCE, plays(api, name))));
    for ended in futures::future::join_all(all).await {
        ended.unwrap();
    }
    service.stop().await;
}

async fn launched(
    api: &Api,
    (name, language, entry_point, code): (&str, &str, &str, &str),
    concurrency: usize,
) {
    let max_instances = if concurrency > 1 { 1 } else { 10 };
    let function = serde_json::json!({ "name": name, "language": language, "code": code, "entry_point": entry_point,
        "is_public": true, "timeout": 60, "concurrency": concurrency, "max_instances": max_instances });
    let _ = api.create(&function).await.with(201);
    let _ = api.deploy(name).await.with(200);
}

async fn plays(api: &Api, name: &str) {
    long_ones_come_through(api, name).await;
    if name != "req-res" {
        pieces_come_as_they_are_sent(api, name).await;
    }
    nobody_has_to_read(api, name).await;
    what_goes_wrong_is_told(api, name).await;
    // The same sandbox serves ordinary calls before and after.
    let answer = Answer::of(api.public(Method::POST, name, "").body("abc")).await.with(200);
    assert_eq!(answer.text(), "3", "{name}");
}

async fn long_ones_come_through(api: &Api, name: &str) {
    for body in [Body::from(vec![7; LONG]), sent_in_pieces(LONG)] {
        let answer = Answer::of(api.public(Method::POST, name, "").body(body)).await.with(200);
        assert_eq!(answer.text(), LONG.to_string(), "{name}");
    }
}

/// Each piece is answered before the next one is sent.
async fn pieces_come_as_they_are_sent(api: &Api, name: &str) {
    let (mut pieces, body) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    pieces.send(Ok(b"begin".to_vec())).await.unwrap();
    let sent = tokio::spawn(api.public(Method::POST, name, "?echo").body(Body::wrap_stream(body)).send());
    let mut response = sent.await.unwrap().unwrap();
    assert_eq!(response.status().as_u16(), 200, "{name}");
    let mut echoed = Vec::new();
    for number in 0..3 {
        let expected = "begin".len() + number;
        while echoed.len() < expected {
            echoed.extend_from_slice(&response.chunk().await.unwrap().unwrap());
        }
        pieces.send(Ok(vec![b'x'])).await.unwrap();
    }
    drop(pieces);
    while let Some(piece) = response.chunk().await.unwrap() {
        echoed.extend_from_slice(&piece);
    }
    assert_eq!(echoed, b"beginxxx", "{name}");
}

async fn nobody_has_to_read(api: &Api, name: &str) {
    let answer = Answer::of(api.public(Method::POST, name, "?none").body(vec![7; LONG])).await.with(200);
    assert_eq!(answer.text(), "none", "{name}");
}

async fn what_goes_wrong_is_told(api: &Api, name: &str) {
    // A length that is told is refused before anything is sent; one that isn't, when it is too long.
    let refused = api.public(Method::POST, name, "").header("expect", "100-continue");
    is_too_long(name, refused.body(vec![7; TOO_LONG])).await;
    is_too_long(name, api.public(Method::POST, name, "").body(sent_in_pieces(TOO_LONG))).await;
    // A client that stalls.
    let (mut pieces, body) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    pieces.send(Ok(vec![7; 1 << 10])).await.unwrap();
    let answer = Answer::of(api.public(Method::POST, name, "").body(Body::wrap_stream(body))).await;
    assert_eq!(answer.status, 400, "{name}: {}", answer.text());
}

/// The connection ends while the body is being sent, or the answer says why.
async fn is_too_long(name: &str, request: reqwest::RequestBuilder) {
    if let Ok(answer) = Answer::attempt(request).await {
        assert_eq!(answer.status, 413, "{name}: {}", answer.text());
    }
}

/// A body that tells no length.
fn sent_in_pieces(len: usize) -> Body {
    let pieces = (0..len / (64 << 10)).map(|_| Ok::<_, std::io::Error>(vec![7_u8; 64 << 10]));
    Body::wrap_stream(futures::stream::iter(pieces))
}
