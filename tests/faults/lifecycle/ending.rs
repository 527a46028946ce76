//! I1: SIGTERM, once and twice, under load and with a function that hangs.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, both_drivers, leftovers};
use cloudbox_types::ErrorCode;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::hang;
use crate::load::{Load, SLOW, answers};

both_drivers! {
    i1_sigterm_under_load_answers_what_was_accepted,
    i1_a_second_sigterm_breaks_off_what_runs,
    i1_a_hung_function_is_broken_off_after_the_grace,
}

/// A probe on a connection of its own, as load balancers make it.
async fn probe(api: &Api) -> reqwest::Result<Answer> {
    let fresh = Api::new(api.base.clone(), None);
    Answer::attempt(fresh.request(Method::GET, "/health/ready")).await
}

async fn i1_sigterm_under_load_answers_what_was_accepted(driver: Driver) {
    let home = Home::new();
    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    api.launch("slow", "javascript", SLOW).await;
    let _ = api.patch("slow", &json!({ "max_instances": 4 })).await.with(200);
    answers(&api, "slow", 1).await;
    let load = Load::start(&api, "slow", 8, 20);
    sleep(Duration::from_millis(500)).await;
    // Longer than all that is looked at meanwhile takes on a busy machine.
    let long = tokio::spawn(Answer::of(
        api.public(Method::POST, "slow", "").json(&json!({ "n": "long", "ms": 10_000 })),
    ));
    sleep(Duration::from_millis(500)).await;
    service.signal(Signal::SIGTERM);

    // Each caller goes on until it is refused, so the service listens to the last of them.
    let tally = load.ended().await;
    assert_eq!((tally.refused, &tally.broken), (8, &vec![]), "{tally:?}");
    let ready = probe(&api).await.unwrap().with(503);
    assert!(ready.text().contains("shutting down"), "{}", ready.text());
    let _ = api.anonymous().get("/health/live").await.with(200);
    let refused = api.execute("slow", &json!({})).await;
    assert!(!refused.header("retry-after").is_empty());
    let _ = refused.error(ErrorCode::Overloaded);
    assert!(!long.is_finished(), "the drain still goes on");
    assert_eq!(long.await.unwrap().with(200).json::<Value>(), "long");
    assert!(service.ended().await.success());
    assert_eq!(leftovers::of(home.path()), Vec::<String>::new());
    assert!(probe(&api).await.is_err(), "nobody listens any more");

    let service = Plan::new(driver).at(&home).start().await;
    let api = service.api();
    let mut records = 0;
    let mut query = "limit=1000&status=success".to_owned();
    loop {
        let page = api.logs("slow", &query).await;
        records += page.items.len();
        let Some(cursor) = page.next_cursor else { break };
        query = format!("limit=1000&status=success&cursor={cursor}");
    }
    assert_eq!(records, tally.answered + 2, "every answer has its record");
    answers(&api, "slow", 2).await;
    service.stop().await;
}

/// A service with a function that hangs in a call, after SIGTERM; the call's answer is to come.
async fn hanging(plan: Plan, code: &str) -> (cloudbox_tests::Service, tokio::task::JoinHandle<Answer>) {
    let service = plan.start().await;
    let api = service.api();
    api.launch("slow", "javascript", code).await;
    let _ = api.patch("slow", &json!({ "timeout": 300 })).await.with(200);
    let hung = tokio::spawn(hang(&api, "slow"));
    crate::is_busy(&service, 1).await;
    service.signal(Signal::SIGTERM);
    while probe(&api).await.unwrap().status != 503 {}
    assert!(!hung.is_finished());
    (service, hung)
}

/// The next life knows how the call ended, and its function is as good as before.
async fn is_told(driver: Driver, home: &std::sync::Arc<Home>) {
    assert_eq!(leftovers::of(home.path()), Vec::<String>::new());
    let service = Plan::new(driver).at(home).start().await;
    let records = service.api().logs("slow", "limit=10").await;
    assert_eq!(records.items.len(), 1);
    assert_eq!(records.items[0].status, "timeout");
    answers(&service.api(), "slow", 3).await;
    service.stop().await;
}

async fn i1_a_second_sigterm_breaks_off_what_runs(driver: Driver) {
    let home = Home::new();
    let (service, hung) = hanging(Plan::new(driver).at(&home), SLOW).await;
    service.signal(Signal::SIGTERM);
    let error = hung.await.unwrap().error(ErrorCode::Timeout);
    assert!(error["error"].as_str().unwrap().contains("shut down"), "{error}");
    assert!(service.ended().await.success());
    is_told(driver, &home).await;
}

async fn i1_a_hung_function_is_broken_off_after_the_grace(driver: Driver) {
    const SPIN: &str = "exports.handler = async (data) => { while (data.ms > 0); return data.n; };";
    let home = Home::new();
    let plan = Plan::new(driver).at(&home).with("CLOUDBOX_DRAIN_TIMEOUT_S", "1");
    let (service, hung) = hanging(plan, SPIN).await;
    let told = Instant::now();
    let error = hung.await.unwrap().error(ErrorCode::Timeout);
    assert!(error["error"].as_str().unwrap().contains("shut down"), "{error}");
    assert!(service.ended().await.success());
    eprintln!("{driver:?}: ended {} ms after SIGTERM, with 1 s of grace", told.elapsed().as_millis());
    is_told(driver, &home).await;
}
