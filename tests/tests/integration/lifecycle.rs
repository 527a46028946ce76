//! How a service ends: drained by SIGTERM under load, killed without a warning, and what the next one finds.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, leftovers, machine};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

const SLOW: &str =
    "exports.handler = async (data) => { await new Promise((r) => setTimeout(r, data.ms)); return data.n; };";

async fn call(api: &Api, n: usize, ms: u64) -> reqwest::Result<Answer> {
    Answer::attempt(api.public(Method::POST, "slow", "").json(&json!({ "n": n, "ms": ms }))).await
}

/// SIGTERM in the middle of calls: each that was accepted is answered and recorded, and nothing is left.
async fn drains_under_load(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let home = Home::new();
    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    api.launch("slow", "javascript", SLOW).await;
    let _ = call(&api, 0, 0).await.unwrap().with(200);
    let calls: Vec<_> = (1..=16)
        .map(|n| {
            let api = api.clone();
            tokio::spawn(async move { call(&api, n, 1500).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    service.signal(Signal::SIGTERM);
    let mut answered = 1;
    for (index, task) in calls.into_iter().enumerate() {
        // A call that came too late may be refused, by a closed port or by a 503; one that was taken may not be lost.
        let Ok(answer) = task.await.unwrap() else { continue };
        match answer.status {
            200 => {
                assert_eq!(answer.json::<Value>(), json!(index + 1));
                answered += 1;
            }
            503 => {}
            other => panic!("{other} {}", answer.text()),
        }
    }
    assert!(answered > 1, "some calls were running");
    assert!(service.ended().await.success());
    assert_eq!(leftovers::of(home.path()), Vec::<String>::new());

    let service = Plan::new(driver).at(&home).start().await;
    let records = service.api().logs("slow", "limit=100&status=success").await;
    assert_eq!(records.items.len(), answered, "every answered call has its record");
    service.stop().await;
}

#[tokio::test]
async fn drains_under_load_native() {
    drains_under_load(Driver::Native).await;
}

#[tokio::test]
async fn drains_under_load_docker() {
    drains_under_load(Driver::Docker).await;
}

/// `kill -9`: the records of answered calls are there, and what was left is swept at the next start.
async fn survives_a_kill(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let home = Home::new();
    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    api.launch("slow", "javascript", SLOW).await;
    for n in 0..5 {
        let _ = call(&api, n, 0).await.unwrap().with(200);
    }
    service.signal(Signal::SIGKILL);
    let _ = service.ended().await;

    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    assert_eq!(api.logs("slow", "limit=100").await.items.len(), 5);
    assert_eq!(call(&api, 7, 0).await.unwrap().with(200).json::<Value>(), json!(7));
    // Asserts that nothing of either life is left.
    service.stop().await;
}

#[tokio::test]
async fn survives_a_kill_native() {
    survives_a_kill(Driver::Native).await;
}

#[tokio::test]
async fn survives_a_kill_docker() {
    survives_a_kill(Driver::Docker).await;
}

/// SIGINT, as Ctrl-C sends it, is the same as SIGTERM.
#[tokio::test]
async fn ctrl_c_ends_it_too() {
    let Some(driver) = machine::drivers().first().copied() else { return };
    let home = Home::new();
    let service = Plan::new(driver).at(&home).start().await;
    service.signal(Signal::SIGINT);
    assert!(service.ended().await.success());
    assert_eq!(leftovers::of(home.path()), Vec::<String>::new());
}

/// A burst on one function: sandboxes are shared out, calls wait, all are answered.
async fn answers_a_burst(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let service = Plan::new(driver).start().await;
    let api = service.api();
    api.launch("slow", "javascript", SLOW).await;
    let _ = api.patch("slow", &json!({ "max_instances": 2 })).await.with(200);
    let calls = (0..40).map(|n| {
        let api = api.clone();
        async move { (n, call(&api, n, 20).await.unwrap()) }
    });
    for (n, answer) in futures::future::join_all(calls).await {
        assert_eq!(answer.with(200).json::<Value>(), json!(n));
    }
    service.stop().await;
}

#[tokio::test]
async fn answers_a_burst_native() {
    answers_a_burst(Driver::Native).await;
}

#[tokio::test]
async fn answers_a_burst_docker() {
    answers_a_burst(Driver::Docker).await;
}
