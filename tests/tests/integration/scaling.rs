//! How many sandboxes a function has, on both drivers: as many as it is told, at once.

use std::time::Duration;

use cloudbox_api_types::Scaling;
use cloudbox_tests::{Answer, Api, Driver, Plan, Service, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// How long the service may take for anything: never the measure of a test, but its end.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

both_drivers! {
    sandboxes_follow_what_is_asked, a_flood_of_one_project_leaves_room_for_others, a_quick_program_is_kept_on_a_cpu
}

async fn sandboxes_follow_what_is_asked(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    a_change_replaces_no_sandbox(&api).await;
    warm_ones_come_and_go(&api).await;
    a_burst_of_first_calls_is_served_by_a_few(&api).await;
    service.stop().await;
}

/// Calls at once.
const BURST: usize = 200;
/// Sandboxes that may serve them at most: as many as the slowest machine may think useful, far from one for each.
const FEW: usize = 50;

const COUNTING: &str = "let calls = 0; exports.handler = async () => ++calls;";

async fn scale(api: &Api, name: &str, change: Value) -> Answer {
    let path = api.functions(&format!("/{name}/scaling"));
    Answer::of(api.request(Method::PATCH, &path).json(&change)).await
}

async fn scaling(api: &Api, name: &str) -> Scaling {
    api.get(&api.functions(&format!("/{name}/scaling"))).await.with(200).json()
}

/// Looks until it is so.
async fn until(api: &Api, name: &str, is_so: impl Fn(&Scaling) -> bool) -> Scaling {
    let mut seen = None;
    let looking = async {
        loop {
            let now = scaling(api, name).await;
            if is_so(&now) {
                return now;
            }
            seen = Some(now);
            sleep(LOOK).await;
        }
    };
    match timeout(PATIENCE, looking).await {
        Ok(now) => now,
        Err(_) => panic!("it stays {seen:?}"),
    }
}

/// Globals are as they were, which those of another sandbox would not be.
async fn a_change_replaces_no_sandbox(api: &Api) {
    api.launch("counting", "javascript", COUNTING).await;
    let call = || async { api.execute("counting", &json!({})).await.with(200).json::<Value>() };
    assert_eq!(call().await["response"], 1);
    let _ = scale(api, "counting", json!({ "maxInstances": 1 })).await.with(200);
    let _ = api.patch("counting", &json!({ "max_instances": 2 })).await.with(200);
    let second = call().await;
    assert_eq!((&second["response"], &second["start"]), (&json!(2), &json!("warm")));
    let refused: Value = scale(api, "counting", json!({ "targetConcurrency": 101 })).await.with(400).json();
    assert!(refused["details"][0]["message"].as_str().unwrap().contains("from 1 to 100"), "{refused}");
}

async fn warm_ones_come_and_go(api: &Api) {
    api.launch("warm", "javascript", COUNTING).await;
    let version = until(api, "warm", |now| now.active_version == Some(1)).await;
    assert_eq!((version.min_instances, version.max_instances), (0, 10));
    let _ = scale(api, "warm", json!({ "minInstances": 3, "maxInstances": 3 })).await.with(200);
    let three = until(api, "warm", |now| now.instances.idle == 3).await;
    assert_eq!((three.instances.total, three.versions[0].version), (3, 1));
    let first: Value = api.execute("warm", &json!({})).await.with(200).json();
    assert_eq!((&first["response"], &first["start"]), (&json!(1), &json!("warm")));
    let _ = scale(api, "warm", json!({ "min_instances": 1 })).await.with(200);
    let one = until(api, "warm", |now| now.instances.total == 1).await;
    assert_eq!((one.min_instances, one.max_instances), (1, 3));
    let _ = scale(api, "warm", json!({ "min_instances": 0 })).await.with(200);
    until(api, "warm", |now| now.instances.total == 0 && now.instances.draining == 0).await;
}

/// A sandbox's first call answers 1, so there were as many as that.
async fn a_burst_of_first_calls_is_served_by_a_few(api: &Api) {
    api.launch("burst", "javascript", COUNTING).await;
    let _ = scale(api, "burst", json!({ "maxInstances": 1000 })).await.with(200);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let api = api.clone();
        calls.spawn(async move { api.execute("burst", &json!({})).await.with(200).json::<Value>() });
    }
    let answers = calls.join_all().await;
    let sandboxes = answers.iter().filter(|answer| answer["response"] == 1).count();
    assert!((1..=FEW).contains(&sandboxes), "{BURST} calls had {sandboxes} sandboxes");
}

/// Answers when the test is long over.
const NEVER: &str = "exports.handler = () => new Promise((end) => setTimeout(end, 250000));";
/// More calls than there is room for.
const FLOOD: usize = 12;

/// All that one project may hold is taken by calls that don't end; another one's are answered all the same.
async fn a_flood_of_one_project_leaves_room_for_others(driver: Driver) {
    let plan = Plan::new(driver)
        .with("CLOUDBOX_POOL_MEMORY_BUDGET_MB", "640")
        .with("CLOUDBOX_POOL_QUEUE_WAIT_S", "300")
        .with("CLOUDBOX_DRAIN_TIMEOUT_S", "0");
    let service = plan.start().await;
    let greedy = service.api();
    let _ = greedy.post("/api/projects", &json!({ "name": "modest" })).await.with(201);
    let modest = greedy.in_project("modest");
    let never = json!({ "name": "never", "language": "javascript", "code": NEVER, "timeout": 300, "memory": 128,
        "max_instances": 100 });
    let _ = greedy.create(&never).await.with(201);
    let _ = greedy.deploy("never").await.with(200);
    modest.launch("quick", "javascript", COUNTING).await;

    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..FLOOD {
        let greedy = greedy.clone();
        flood.spawn(async move {
            let path = greedy.functions("/never/execute");
            drop(greedy.request(Method::POST, &path).json(&json!({})).send().await);
        });
    }
    // 640 MB are five; 90 % of them are four.
    until(&greedy, "never", |now| now.instances.busy == 4 && now.instances.waiting_calls == 8).await;
    for number in 1..=3 {
        let answer: Value = modest.execute("quick", &json!({})).await.with(200).json();
        assert_eq!(answer["response"], number);
    }
    assert_eq!(scaling(&greedy, "never").await.instances.busy, 4, "nobody had to end for it");
    flood.abort_all();
    service.stop().await;
}

const PLACES: &str = r"exports.handler = async () =>
    require('fs').readFileSync('/proc/self/status', 'utf8').match(/Cpus_allowed_list:\s*(.*)/)[1];";

/// Its calls find it where their thread waits. The program itself sees that.
async fn a_quick_program_is_kept_on_a_cpu(driver: Driver) {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    let service = Service::start(driver).await;
    let api = service.api();
    api.launch("places", "javascript", PLACES).await;
    let kept = async {
        loop {
            let answer: Value = api.execute("places", &json!({})).await.with(200).json();
            let places = answer["response"].as_str().unwrap();
            if places.parse::<u32>().is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, kept).await.expect("one place alone");
    service.stop().await;
}
