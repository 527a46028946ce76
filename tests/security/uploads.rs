//! C: bodies that a function reads while they arrive. Whoever reads them in a way that nobody should, or sends a part of one
//! and goes away, harms his own call at most.

use std::time::Duration;

use cloudbox_tests::{Answer, Language, Stage, on_both_drivers};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::protocol::word;

on_both_drivers! { c_bodies_that_are_read_piece_by_piece }

/// Bytes of a body: more than is waited for before a call begins.
const LEN: usize = 600 << 10;
/// Ways that lead to the right answer: they ask for what they may ask for.
const HARMLESS: [&str; 4] = ["after the end", "many at once", "never", "and does not wait"];
/// Clients that go away at the same time.
const VANISHING: usize = 8;
/// Never the measure of the test, but its end.
const END: Duration = Duration::from_secs(120);

async fn c_bodies_that_are_read_piece_by_piece(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("uploads-{}", language.extension());
        // For calls that spoil their own conversation; who reads as one should is done long before.
        let settings = json!({ "timeout": 10, "entry_point": if language == Language::Python { "application" } else { "handler" } });
        stage.deploy(&name, language, "uploads", &settings).await;
        is_right(stage, &name, "at first").await;
        let ways: Vec<String> = sent(stage, &name, "?way=ways", String::new()).await.with(200).json();
        for way in &ways {
            let what = format!("{language:?}: {way}");
            let body = body();
            let query = format!("?way={}", way.replace(' ', "%20"));
            let answer = sent(stage, &name, &query, body.clone()).await;
            if HARMLESS.contains(&way.as_str()) {
                let expected = if way == "after the end" { told(&body) } else { "read".to_owned() };
                assert_eq!(answer.clone().with(200).text(), expected, "{what}");
            } else if answer.status == 200 {
                assert_eq!(answer.text(), told(&body), "{what}: what is not its own reply is none");
            } else {
                assert!(
                    [500, 502, 504].contains(&answer.status),
                    "{what}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
            is_right(stage, &name, &what).await;
        }
        assert_eq!(ways.len(), 6, "{language:?}");
        senders_vanish(stage, &name).await;
        is_right(stage, &name, "in the end").await;
    }
}

/// A body like no other one.
fn body() -> String {
    let mut body = format!("{} ", word()).repeat(LEN / 16);
    body.truncate(LEN);
    body
}

/// What a reader of all of it answers.
fn told(body: &str) -> String {
    format!("{} {}", body.len(), &body[..32])
}

async fn sent(stage: &Stage, name: &str, query: &str, body: String) -> Answer {
    Answer::of(stage.api.anonymous().public(Method::POST, name, query).body(body)).await
}

/// The next calls get their own bodies, whole.
async fn is_right(stage: &Stage, name: &str, what: &str) {
    for _ in 0..2 {
        let body = body();
        let answer = sent(stage, name, "", body.clone()).await;
        assert_eq!((answer.status, answer.text()), (200, told(&body)), "{name}, {what}");
    }
}

/// Clients send a part of what they announced and close the connection: each call ends by itself, with a record that says why.
async fn senders_vanish(stage: &Stage, name: &str) {
    let newest = stage.api.logs(name, "limit=1").await.items[0].id.clone();
    let address = stage.api.base.trim_start_matches("http://").to_owned();
    let mut clients = Vec::new();
    for _ in 0..VANISHING {
        let mut client = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /p/default/functions/{name} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            2 * LEN
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(body().as_bytes()).await.unwrap();
        clients.push(client);
    }
    drop(clients);
    let ended = async {
        loop {
            let records = stage.api.logs(name, "limit=50").await.items;
            let of_these: Vec<_> = records.iter().take_while(|record| record.id != newest).collect();
            if of_these.len() == VANISHING {
                assert!(of_these.iter().all(|record| record.status != "success"), "{name}: {of_these:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(END, ended).await.is_ok(), "{name}: a call whose client is gone goes on");
}
