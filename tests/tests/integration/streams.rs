//! Answers that go out while their function still runs: in every language, on both drivers.

use std::time::Duration;

use cloudbox_api_types::{ExecuteAnswer, Execution};
use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

/// How long the service may take for anything: never the measure of a test, but its end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds after which those that go on for ever are ended: enough for a machine that has much else to do.
const TIMEOUT_S: u32 = 8;
/// Bytes by which the service may grow while a function writes without end.
const MAX_GROWTH: u64 = 48 << 20;

/// Functions that do as their query's `do` says: `finish` after two pieces, `break` after one, go on for ever with a
/// `tick` now and then, or with a `flood`.
const SOURCES: [(&str, &str, &str); 5] = [
    (
        "generator",
        "javascript",
        "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
         async function* pieces(what) {
           yield 'one';
           await sleep(250);
           if (what === 'break') throw new Error('half way');
           if (what === 'finish') { yield 'two'; return; }
           for (;;) { if (what === 'tick') await sleep(20); yield what === 'tick' ? 'tick' : 'x'.repeat(1 << 16); }
         }
         exports.handler = async (data, context) => ({ statusCode: 200, headers: { 'content-type': 'text/event-stream' },
           body: pieces(context.query.do || data.do) });",
    ),
    (
        "express",
        "javascript",
        "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
         module.exports = async (req, res) => {
           const what = req.query.do || req.body.do;
           res.writeHead(200, { 'content-type': 'text/event-stream' });
           res.write('one');
           await sleep(250);
           if (what === 'break') throw new Error('half way');
           if (what === 'finish') { res.end('two'); return; }
           for (;;) {
             if (what === 'tick') await sleep(250);
             if (!res.write(what === 'tick' ? 'tick' : 'x'.repeat(1 << 16))) await new Promise((done) => res.once('drain', done));
           }
         };",
    ),
    (
        "yields",
        "python",
        "import time
def handler(data, context):
    what = context.query.get('do') or data.get('do')
    def pieces():
        yield 'one'
        time.sleep(0.25)
        if what == 'break': raise ValueError('half way')
        if what == 'finish':
            yield 'two'
            return
        while True:
            if what == 'tick': time.sleep(0.02)
            yield 'tick' if what == 'tick' else 'x' * (1 << 16)
    return {'statusCode': 200, 'headers': {'content-type': 'text/event-stream'}, 'body': pieces()}
",
    ),
    (
        "asgi",
        "python",
        "import asyncio, json, urllib.parse
async def handler(scope, receive, send):
    if scope['type'] != 'http': raise RuntimeError('no lifespan')
    body = (await receive())['body']
    query = urllib.parse.parse_qs(scope['query_string'].decode())
    what = query['do'][0] if 'do' in query else json.loads(body)['do']
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/event-stream')]})
    async def piece(data, more=True): await send({'type': 'http.response.body', 'body': data, 'more_body': more})
    await piece(b'one')
    await asyncio.sleep(0.25)
    if what == 'break': raise ValueError('half way')
    if what == 'finish': return await piece(b'two', False)
    while True:
        if what == 'tick': await asyncio.sleep(0.02)
        await piece(b'tick' if what == 'tick' else b'x' * (1 << 16))
",
    ),
    (
        "flusher",
        "go",
        "package main

import (
	\"encoding/json\"
	\"net/http\"
	\"strings\"
	\"time\"
)

func handler(w http.ResponseWriter, r *http.Request) {
	what := r.URL.Query().Get(\"do\")
	if what == \"\" {
		var data map[string]string
		_ = json.NewDecoder(r.Body).Decode(&data)
		what = data[\"do\"]
	}
	w.Header().Set(\"content-type\", \"text/event-stream\")
	write := func(text string) {
		_, _ = w.Write([]byte(text))
		w.(http.Flusher).Flush()
	}
	write(\"one\")
	time.Sleep(250 * time.Millisecond)
	if what == \"break\" {
		panic(\"half way\")
	}
	if what == \"finish\" {
		write(\"two\")
		return
	}
	for {
		if what == \"tick\" {
			time.Sleep(20 * time.Millisecond)
			write(\"tick\")
		} else {
			write(strings.Repeat(\"x\", 1<<16))
		}
	}
}
",
    ),
];

both_drivers! { streamed_answers, streamed_answers_beside_others }

async fn streamed_answers(driver: Driver) {
    run(driver, 1).await;
}

async fn streamed_answers_beside_others(driver: Driver) {
    run(driver, 5).await;
}

/// With as many calls at once in one sandbox.
async fn run(driver: Driver, concurrency: u32) {
    let service = Service::start(driver).await;
    let api = service.api();
    for (name, language, code) in SOURCES {
        let max_instances = if concurrency > 1 { 1 } else { 10 };
        let function = json!({ "name": name, "language": language, "code": code, "is_public": true,
            "timeout": TIMEOUT_S, "concurrency": concurrency, "max_instances": max_instances });
        let _ = api.create(&function).await.with(201);
        let _ = api.deploy(name).await.with(200);
        finishes(&api, name).await;
        breaks_off(&api, name).await;
    }
    // Each is ended by its timeout: all at once, so that nobody waits for long.
    futures::future::join_all(SOURCES.map(|(name, ..)| ticks(&api, name))).await;
    let before = resident(&service);
    futures::future::join_all(
        SOURCES.map(|(name, ..)| floods(&api, name, concurrency > 1 && name != "yields")),
    )
    .await;
    let after = resident(&service);
    assert!(after < before + MAX_GROWTH, "the service grew from {before} to {after} bytes");
    service.stop().await;
}

async fn finishes(api: &Api, name: &str) {
    let answer = Answer::of(api.public(Method::GET, name, "?do=finish")).await.with(200);
    assert_eq!((answer.text().as_str(), answer.header("content-length")), ("onetwo", ""), "{name}");
    assert_eq!(answer.header("content-type"), "text/event-stream", "{name}");
    let record = last(api, name, |record| record.status == "success").await;
    assert_eq!(record.response_size, 6, "{name}");
    // Who wants a whole answer gets one.
    let head = Answer::of(api.public(Method::HEAD, name, "?do=finish")).await.with(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("6", 0), "{name}");
    let answer: ExecuteAnswer =
        api.execute(name, &json!({ "data": { "do": "finish" } })).await.with(200).json();
    let value: Value = serde_json::from_str(answer.response.get()).unwrap();
    assert_eq!(value["body"], "onetwo", "{name}");
}

async fn breaks_off(api: &Api, name: &str) {
    let mut response = api.public(Method::GET, name, "?do=break").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{name}");
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one", "{name}");
    assert!(response.chunk().await.is_err(), "{name}: the client sees that there is no more");
    let record = last(api, name, |record| record.status == "error").await;
    assert!(record.error.as_deref().is_some_and(|error| error.contains("half way")), "{name}: {record:?}");
}

/// Each piece is there while the handler, which never ends by itself, still runs.
async fn ticks(api: &Api, name: &str) {
    let mut response = api.public(Method::GET, name, "?do=tick").send().await.unwrap();
    let mut text = String::new();
    while !text.ends_with("ticktick") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.starts_with("onetick"), "{name}: {text}");
    // A client that goes away takes nothing along: the call ends as it would have, and is recorded.
    drop(response);
    let _ = last(api, name, |record| record.status == "timeout").await;
}

/// A client that takes nothing more stops the function, not the service, nor a call that shares the sandbox.
async fn floods(api: &Api, name: &str, is_shared: bool) {
    let earlier = last(api, name, |_| true).await.id;
    let mut response = api.public(Method::GET, name, "?do=flood").send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some(), "{name}");
    if is_shared {
        let beside = Answer::of(api.public(Method::GET, name, "?do=finish")).await.with(200);
        assert_eq!(beside.text(), "onetwo", "{name}");
    }
    // It began before the one beside it.
    let is_meant = |record: &Execution| record.id != earlier && record.status == "timeout";
    let _ = among(api, name, 2, is_meant).await;
    while let Ok(Some(_)) = response.chunk().await {}
}

/// The newest record, once it is like this.
async fn last(api: &Api, name: &str, is_meant: impl Fn(&Execution) -> bool) -> Execution {
    among(api, name, 1, is_meant).await
}

/// One of the newest records, once there is one like this.
async fn among(api: &Api, name: &str, newest: u32, is_meant: impl Fn(&Execution) -> bool) -> Execution {
    let wait = async {
        loop {
            let mut newest = api.logs(name, &format!("limit={newest}")).await.items.into_iter();
            if let Some(record) = newest.find(&is_meant) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{name}: no such record"))
}

/// Bytes of the service's own memory. Pages of files come and go as the machine has room for them.
fn resident(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
