//! Garbage is collected over and over, without a grace, while functions are deployed, called and deleted: nothing fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloudbox_tests::pack::tgz;
use cloudbox_tests::{Answer, Api, Plan};
use reqwest::Method;
use serde_json::{Value, json};

use crate::site::driver;

/// Deployments of each function. Every second one makes an artefact that was there before, and may be about to go.
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn garbage_goes_while_functions_are_deployed_and_called() {
    let Some(driver) = driver() else { return };
    let plan = Plan::new(driver);
    let store = plan.home().path().join("store");
    let plan = plan.with("CLOUDBOX_STORAGE_URL", store.to_str().unwrap());
    let service = plan.with("CLOUDBOX_STORAGE_GC_INTERVAL_S", "0").start().await;
    let api = service.api();
    api.launch("steady", "javascript", "exports.handler = async () => 'steady';").await;

    let is_over = Arc::new(AtomicBool::new(false));
    let background = |what: Background| {
        let (api, is_over) = (service.api(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) || count == 0 {
                count += 1;
                match what {
                    Background::Collect => collect(&api, false).await,
                    Background::Call => answers(&api, "steady", "steady").await,
                }
            }
        })
    };
    let running = [background(Background::Collect), background(Background::Call)];
    tokio::join!(by_code(&api), by_package(&api));
    is_over.store(true, Ordering::Relaxed);
    for task in running {
        task.await.unwrap();
    }

    answers(&api, "steady", "steady").await;
    collect(&api, false).await;
    let left: Value = gc(&api, true).await;
    assert_eq!(left["removable"], 0, "nothing that could go is left: {left}");
    service.stop().await;
}

#[derive(Clone, Copy)]
enum Background {
    Collect,
    Call,
}

async fn gc(api: &Api, dry_run: bool) -> Value {
    api.post("/api/storage/gc", &json!({ "dry_run": dry_run, "grace_s": 0 })).await.with(200).json()
}

async fn collect(api: &Api, dry_run: bool) {
    let garbage = gc(api, dry_run).await;
    assert_eq!((&garbage["failed"], &garbage["notes"]), (&json!(0), &json!([])), "{garbage}");
}

async fn answers(api: &Api, name: &str, expected: &str) {
    let answer: Value = api.execute(name, &json!({})).await.with(200).json();
    assert_eq!(answer["response"], expected, "{name}: {answer}");
}

/// Two sources by turns; the version before is deleted each time, so that its artefact is garbage until the next round.
async fn by_code(api: &Api) {
    for round in 0..ROUNDS {
        let text = if round % 2 == 0 { "even" } else { "odd" };
        let code = format!("exports.handler = async () => '{text}';");
        if round == 0 {
            api.launch("coded", "javascript", &code).await;
        } else {
            let _ = api.patch("coded", &json!({ "code": code })).await.with(200);
            let _ = api.deploy("coded").await.with(200);
            let path = api.functions(&format!("/coded/versions/{round}"));
            let _ = Answer::of(api.request(Method::DELETE, &path)).await.with(204);
        }
        answers(api, "coded", text).await;
    }
}

/// The function is deleted and made anew each time, from the same package.
async fn by_package(api: &Api) {
    let package =
        tgz(&[("index.js", "exports.handler = async () => require('./text');"), ("text.json", "\"packed\"")]);
    for _ in 0..ROUNDS {
        let _ = api.create(&json!({ "name": "packed", "language": "javascript" })).await.with(201);
        let request = api.request(Method::POST, &api.functions("/packed/deploy?wait=true"));
        let request = request.header("content-type", "application/gzip").body(package.clone());
        let _ = Answer::of(request).await.with(200);
        answers(api, "packed", "packed").await;
        let _ = api.get(&api.functions("/packed/versions/1/package")).await.with(200);
        let _ = Answer::of(api.request(Method::DELETE, &api.functions("/packed"))).await.with(204);
    }
}
