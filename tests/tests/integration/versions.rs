//! Which version a call gets, while versions come and go: on both drivers, with nobody's call failing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

const NAME: &str = "told";

/// How long the service may take for anything: never the measure of a test, but its end.
const PATIENCE: Duration = Duration::from_secs(60);

both_drivers! { versions_and_their_names }

async fn versions_and_their_names(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    // One function tells it all, since a deploy takes seconds: its versions 1 to 3, then 4 and 5, then a broken one.
    versions(&api, 3).await;
    activating_is_atomic(&api).await;
    aliases_and_splits_choose(&api).await;
    addresses_keep_their_version(&api).await;
    old_versions_drain(&api).await;
    deploying_in_a_loop_fails_nobody(&api).await;
    a_canary_goes_by_itself(&api).await;
    the_dashboards_routes(&api).await;
    service.stop().await;
}

fn source(version: i64) -> String {
    format!(
        "exports.handler = async (data) => {{ if (data && data.ms) await new Promise((r) => setTimeout(r, data.ms));
           if (data && data.fail) throw new Error('as asked'); return {version}; }};"
    )
}

/// A public function with this many versions, each of which answers its number.
async fn versions(api: &Api, count: i64) {
    api.launch(NAME, "javascript", &source(1)).await;
    for number in 2..=count {
        deploy(api, number).await;
    }
}

async fn deploy(api: &Api, number: i64) {
    let _ = api.patch(NAME, &json!({ "code": source(number) })).await.with(200);
    let _ = api.deploy(NAME).await.with(200);
}

fn below(path: &str) -> String {
    format!("/{NAME}{path}")
}

/// What the version said that a public call got; the header says the same.
async fn served(api: &Api, name: &str, key: Option<&str>) -> i64 {
    let mut request = api.anonymous().public(Method::GET, name, "");
    if let Some(key) = key {
        request = request.header("x-cloudbox-version-key", key);
    }
    let answer = Answer::of(request).await.with(200);
    let said: i64 = answer.json();
    assert_eq!(answer.header("x-cloudbox-version"), said.to_string(), "{name}");
    said
}

async fn activate(api: &Api, number: i64) {
    let path = api.functions(&below(&format!("/versions/{number}/activate")));
    let _ = api.post(&path, &Value::Null).await.with(200);
}

async fn set(api: &Api, alias: &str, body: Value) -> Value {
    let path = api.functions(&below(&format!("/aliases/{alias}")));
    Answer::of(api.request(Method::PUT, &path).json(&body)).await.with(200).json()
}

/// Callers who never stop; each fails the test where a call does. How many calls they made.
struct Load {
    is_over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<usize>>,
}

impl Load {
    fn on(api: &Api, callers: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let caller = || {
            let (api, is_over) = (api.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut calls = 0;
                while !is_over.load(Ordering::Relaxed) {
                    served(&api, NAME, None).await;
                    calls += 1;
                }
                calls
            })
        };
        let callers = (0..callers).map(|_| caller()).collect();
        Self { is_over, callers }
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            assert!(caller.await.unwrap() > 0, "every caller got answers");
        }
    }
}

/// Once an activation is answered, no call that begins later gets another version: whoever calls, and however many.
async fn activating_is_atomic(api: &Api) {
    let load = Load::on(api, 3);
    for round in 0..6 {
        let number = 1 + round % 2;
        activate(api, number).await;
        for _ in 0..5 {
            assert_eq!(served(api, NAME, None).await, number, "in round {round}");
        }
    }
    load.end().await;
    let path = api.functions(&below("/rollback"));
    let back: Value = api.post(&path, &Value::Null).await.with(200).json();
    assert_eq!((&back["active_version"], served(api, NAME, None).await), (&json!(1), 1));
    activate(api, 3).await;
}

async fn deploying_in_a_loop_fails_nobody(api: &Api) {
    let load = Load::on(api, 3);
    for number in 4..=5 {
        deploy(api, number).await;
        assert_eq!(served(api, NAME, None).await, number);
    }
    load.end().await;
}

/// A call of the old version ends as it would have, long after the switch.
async fn old_versions_drain(api: &Api) {
    let path = api.functions(&below("/aliases/prod"));
    let _ = Answer::of(api.request(Method::DELETE, &path)).await.with(204);
    let calling = {
        let request = api.public(Method::POST, NAME, "").json(&json!({ "ms": 1000 }));
        tokio::spawn(Answer::of(request))
    };
    // The call has begun when nothing is idle any more, which no route tells: so it is given a while, and either
    // version is right in the end.
    tokio::time::sleep(Duration::from_millis(300)).await;
    activate(api, 1).await;
    assert_eq!(served(api, NAME, None).await, 1);
    let answer = calling.await.unwrap().with(200);
    assert_eq!(answer.header("x-cloudbox-version"), answer.text());
    let path = api.functions(&below("/versions/1"));
    let kept = Answer::of(api.request(Method::DELETE, &path)).await.error(ErrorCode::Conflict);
    assert!(kept["error"].as_str().unwrap().contains("activate another version first"), "{kept}");
    let path = api.functions(&below("/versions/2"));
    let _ = Answer::of(api.request(Method::DELETE, &path)).await.with(204);
    let gone = api.execute(NAME, &json!({ "version": 2 })).await;
    let _ = gone.error(ErrorCode::NotFound);
}

async fn aliases_and_splits_choose(api: &Api) {
    let _ = set(api, "prod", json!({ "version": 1 })).await;
    assert_eq!((served(api, "told:prod", None).await, served(api, NAME, None).await), (1, 3));
    let answer: Value = api.execute(NAME, &json!({ "version": 2 })).await.with(200).json();
    assert_eq!((&answer["response"], &answer["version"]), (&json!(2), &json!(2)));
    let _ = set(api, "prod", json!({ "version": 1, "split": { "version": 3, "weight": 40 } })).await;
    let id: i64 = api.function(NAME).await.with(200).json::<Value>()["id"].as_i64().unwrap();
    for number in 0..20 {
        let key = format!("user-{number}");
        let expected = if place(id, 3, &key) < 4000 { 3 } else { 1 };
        for _ in 0..2 {
            assert_eq!(served(api, "told:prod", Some(&key)).await, expected, "{key}");
        }
    }
    let mut moved = 0;
    for _ in 0..50 {
        moved += usize::from(served(api, "told:prod", None).await == 3);
    }
    assert!((18..=22).contains(&moved), "{moved} of 50 at 40 %");
    let path = api.functions(&below("/versions/3"));
    activate(api, 2).await;
    let kept = Answer::of(api.request(Method::DELETE, &path)).await.error(ErrorCode::Conflict);
    assert!(kept["error"].as_str().unwrap().contains("the alias prod names version 3"), "{kept}");
    let diff: Value = api.get(&api.functions(&below("/versions/1/diff/2"))).await.with(200).json();
    let hunk = diff["source"].as_str().unwrap();
    assert!(hunk.contains("-           if") && hunk.contains("return 2;"), "{hunk}");
}

/// A caller's address keeps it at one of the two: all of this machine's own are the loopback's.
async fn addresses_keep_their_version(api: &Api) {
    let split = json!({ "version": 3, "weight": 50, "sticky": "address" });
    let _ = set(api, "prod", json!({ "version": 1, "split": split })).await;
    let id: i64 = api.function(NAME).await.with(200).json::<Value>()["id"].as_i64().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for number in 2..12 {
        let address = std::net::Ipv4Addr::new(127, 0, 0, number);
        let client =
            reqwest::Client::builder().no_proxy().local_address(Some(address.into())).build().unwrap();
        let expected = if place(id, 3, &address.to_string()) < 5000 { 3 } else { 1 };
        for _ in 0..3 {
            let url = format!("{}/p/default/functions/{NAME}:prod", api.base);
            let answer = Answer::of(client.get(url)).await.with(200);
            assert_eq!(answer.text(), expected.to_string(), "{address}");
        }
        seen.insert(expected);
    }
    assert_eq!(seen.len(), 2, "ten addresses are at both of the versions");
    let _ = set(api, "prod", json!({ "version": 1, "split": { "version": 3, "weight": 40 } })).await;
}

/// As docs/VERSIONS.md says it.
fn place(function: i64, version: i64, key: &str) -> u64 {
    let digest = Sha256::digest(format!("{function}:{version}:{key}").as_bytes());
    u64::from_be_bytes(digest[..8].try_into().unwrap()) % 10_000
}

/// A new version that fails loses its calls at once, and the alias says why.
async fn a_canary_goes_by_itself(api: &Api) {
    let failing = "exports.handler = async () => { throw new Error('new and broken'); };";
    let _ = api.patch(NAME, &json!({ "code": failing })).await.with(200);
    let path = api.functions(&below("/deploy?wait=true&activate=false"));
    let _ = api.post(&path, &Value::Null).await.with(200);
    assert_eq!(served(api, NAME, None).await, 5, "it was not to be activated");
    let split =
        json!({ "version": 6, "weight": 50, "sticky": "none", "max_error_rate": 0.2, "min_calls": 5 });
    let _ = set(api, "active", json!({ "version": 5, "split": split })).await;
    let mut failed = 0;
    for _ in 0..40 {
        let answer = Answer::of(api.anonymous().public(Method::GET, NAME, "")).await;
        match answer.status {
            200 => assert_eq!(answer.text(), "5"),
            500 => failed += 1,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(failed, 5, "none more than it takes to judge");
    let noted = async {
        loop {
            let alias: Value = api.get(&api.functions(&below("/aliases/active"))).await.with(200).json();
            if !alias["rolled_back"].is_null() {
                return alias;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let alias = tokio::time::timeout(PATIENCE, noted).await.unwrap();
    assert_eq!((&alias["version"], &alias["split"]), (&json!(5), &Value::Null));
    let note = &alias["rolled_back"];
    assert_eq!((&note["version"], &note["errors"]), (&json!(6), &json!(5)));
    assert!(note["reason"].as_str().unwrap().starts_with("5 of 5 calls of version 6 failed"), "{note}");
}

/// The way of a dashboard: list, switch, delete.
async fn the_dashboards_routes(api: &Api) {
    let id = api.function(NAME).await.with(200).json::<Value>()["id"].to_string();
    let base = format!("/api/functions/{id}");
    let list: Value = api.get(&format!("{base}/versions")).await.with(200).json();
    let numbers: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(numbers, [6, 5, 4, 3, 1]);
    let oldest = &list["items"][4]["id"];
    let switched = api.post(&format!("{base}/switch-version"), &json!({ "versionId": oldest })).await;
    assert_eq!(switched.with(200).json::<Value>()["activeVersion"], 1);
    assert_eq!(served(api, NAME, None).await, 1);
    let delete = |version: i64| api.request(Method::DELETE, &format!("{base}/versions/{version}"));
    let _ = Answer::of(delete(1)).await.error(ErrorCode::Conflict);
    let _ = Answer::of(delete(6)).await.with(204);
}
