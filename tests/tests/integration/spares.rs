//! First calls, on both drivers: a generic spare is there for them.

use std::time::Duration;

use cloudbox_tests::{Api, Driver, Plan, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How long the service may take for anything: never the measure of a test, but its end.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// With one for each default runtime: Node, Python and Go have each its own.
const LANGUAGES: u32 = 3;

both_drivers! {
    a_fresh_projects_first_call_finds_a_spare, first_calls_find_a_spare_where_idle_sandboxes_fill_the_budget
}

/// A service that holds at most one spare of a kind.
fn plan(driver: Driver) -> Plan {
    Plan::new(driver).with("CLOUDBOX_POOL_MAX_SPARES", "1")
}

/// A series of the pool.
async fn series(api: &Api, name: &str) -> u32 {
    let text = api.get("/metrics").await.with(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cloudbox_pool_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Waits until as many spares are ready, and nothing of the pool starts or ends.
async fn has_spares(api: &Api, count: u32) {
    let by = Instant::now() + PATIENCE;
    loop {
        let mut seen = [0; 3];
        for (at, state) in ["generic", "starting", "draining"].into_iter().enumerate() {
            seen[at] = series(api, &format!("sandboxes{{state=\"{state}\"}}")).await;
        }
        if seen == [count, 0, 0] {
            return;
        }
        assert!(Instant::now() < by, "{count} are not there, but {seen:?}");
        sleep(LOOK).await;
    }
}

/// Starts that took a spare, and those that found none.
async fn spares_taken(api: &Api) -> (u32, u32) {
    (series(api, "spare_starts_total").await, series(api, "spare_misses_total").await)
}

async fn first_call(api: &Api, name: &str) {
    let answer = api.public(Method::POST, name, "").json(&json!({})).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-cloudbox-start"]),
        (200, &"cold".parse().unwrap())
    );
}

const CODE: &str = "exports.handler = async () => 1;";

/// The deployment made all that the call needs: a kind of spare that no runtime has by default.
async fn a_fresh_projects_first_call_finds_a_spare(driver: Driver) {
    let service = plan(driver).start().await;
    let api = service.api();
    has_spares(&api, LANGUAGES).await;
    let large =
        json!({ "name": "large", "language": "javascript", "code": CODE, "memory": 512, "is_public": true });
    let _ = api.create(&large).await.with(201);
    let _ = api.deploy("large").await.with(200);
    has_spares(&api, LANGUAGES + 1).await;
    first_call(&api, "large").await;
    assert_eq!(spares_taken(&api).await, (1, 0));
    service.stop().await;
}

/// Five sandboxes have room. Those of functions that nobody calls any more end for spares, one for each.
async fn first_calls_find_a_spare_where_idle_sandboxes_fill_the_budget(driver: Driver) {
    let service = plan(driver).with("CLOUDBOX_POOL_MEMORY_BUDGET_MB", "640").start().await;
    let api = service.api();
    let names = ["f1", "f2", "f3", "f4", "f5", "f6"];
    for name in names {
        api.launch(name, "javascript", CODE).await;
    }
    for name in names {
        has_spares(&api, LANGUAGES).await;
        first_call(&api, name).await;
    }
    has_spares(&api, LANGUAGES).await;
    assert_eq!(spares_taken(&api).await, (6, 0));
    assert_eq!(series(&api, "evictions_total").await, 4);
    let last: Value = api.execute("f6", &json!({})).await.with(200).json();
    assert_eq!(last["start"], "warm", "those used last stay");
    service.stop().await;
}
