//! A6 to A8: what others' load costs a healthy function.

#![expect(clippy::print_stderr, reason = "the figures are a part of what a run shows")]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use cloudbox_tests::{Answer, Driver, Language, Plan, Stage, both_drivers, on_both_drivers};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

on_both_drivers! { a6_noisy_neighbours }
both_drivers! { a7_saturation, a8_a_crash_loop }

/// Rounds of a measurement on a machine that others use too: the best one counts.
const ROUNDS: usize = 8;
/// How long one measurement of a healthy tenant takes.
const MEASURED: Duration = Duration::from_secs(3);
/// Between two of its requests, on a machine that answers one in a tenth of that time.
const INTERVAL: Duration = Duration::from_millis(20);
/// Between two calls of a function that crashes, on such a machine.
const STORM: Duration = Duration::from_millis(10);
/// Latencies below this are not told from each other: several of the scheduler's time slices.
const FLOOR: Duration = Duration::from_millis(10);

/// Tenants spin on all cores; another one hardly notices, and none gets more than its share.
async fn a6_noisy_neighbours(stage: &Stage) {
    const QUOTA: f64 = 0.5;
    const SECONDS: f64 = 5.0;
    let cores = std::thread::available_parallelism().unwrap().get();
    let spinners: Vec<String> = (0..4 * cores).map(|number| format!("spinner-{number}")).collect();
    for (name, language) in spinners.iter().zip(Language::ALL.into_iter().cycle()) {
        stage.deploy(name, language, "loops", &json!({"cpu": QUOTA, "timeout": 60})).await;
        let _ = stage.call(name, &json!({"way": "none"})).await.with(200);
    }
    let mut factors = Vec::new();
    let pace = pace(stage).await;
    for _ in 0..ROUNDS {
        let idle = healthy_p99(stage, pace).await;
        let spin = join_all(spinners.iter().map(|name| async move {
            let answer = stage.call(name, &json!({"way": "spin", "seconds": SECONDS})).await;
            let _ = answer.with(200);
            let record = stage.api.logs(name, "limit=1").await.items.remove(0);
            let share = record.cpu_time / record.execution_time;
            assert!(share <= 1.2 * QUOTA, "{name} used {share} cores of {QUOTA}");
        }));
        let begun = tokio::time::sleep(Duration::from_millis(300));
        let (_, noisy) = tokio::join!(spin, async {
            begun.await;
            healthy_p99(stage, pace).await
        });
        eprintln!("a6: p99 {idle:?} idle, {noisy:?} beside {} spinners", spinners.len());
        factors.push(noisy.max(FLOOR).as_secs_f64() / idle.max(FLOOR).as_secs_f64());
        if factors.iter().any(|factor| *factor <= 3.0) {
            return;
        }
    }
    panic!("the healthy tenant's p99 grew {factors:?} times");
}

/// A function whose process ends in each call is started ever more rarely, and others don't notice.
async fn a8_a_crash_loop(driver: Driver) {
    // Who storms and who is healthy have one address here.
    let plan = Plan::new(driver).with("CLOUDBOX_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "1024");
    let Some(stage) = Stage::with(plan).await else { return };
    crashes_beside(&stage).await;
    stage.is_healthy().await;
    stage.stop().await;
}

async fn crashes_beside(stage: &Stage) {
    stage.deploy("crasher", Language::Node, "exits", &json!({})).await;
    let mut factors = Vec::new();
    let pace = pace(stage).await;
    for _ in 0..ROUNDS {
        let calm = healthy_p99(stage, pace).await;
        let ((), beside) = tokio::join!(crash(stage, STORM.max(pace / 5)), healthy_p99(stage, pace));
        eprintln!("a8: p99 beside a crash loop {beside:?}, {calm:?} before");
        factors.push(beside.max(FLOOR).as_secs_f64() / calm.max(FLOOR).as_secs_f64());
        if factors.iter().any(|factor| *factor <= 10.0) {
            return;
        }
    }
    panic!("the healthy tenant's p99 grew {factors:?} times");
}

/// Calls of a function that never survives one, at every interval: few of them are a start, and the others are refused.
async fn crash(stage: &Stage, interval: Duration) {
    let calls = u32::try_from(MEASURED.as_millis() / interval.as_millis()).unwrap().max(60);
    let storm = join_all((0..calls).map(|number| async move {
        tokio::time::sleep(interval * number).await;
        let body = json!({"data": {"way": "exit 3"}});
        let url = stage.api.functions("/crasher/execute");
        // Who waits for a start that the back-off holds up gives up first.
        let request = stage.api.request(Method::POST, &url).json(&body).timeout(Duration::from_secs(30));
        Answer::attempt(request).await
    }));
    let answers: Vec<Answer> = storm.await.into_iter().filter_map(Result::ok).collect();
    let crashed = answers.iter().filter(|answer| answer.status == 500).count();
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    eprintln!("a8: of {calls} calls {crashed} crashed, {refused} were refused");
    assert!(4 * crashed <= calls as usize, "{crashed} starts for {calls} calls");
    assert_eq!(crashed + refused, answers.len(), "nothing but crashes and refusals");
    for answer in answers.iter().filter(|answer| answer.status == 503) {
        assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{answer:?}");
    }
}

/// Ten times what a function can do: as much is done as before, the rest is refused at once, and when the load is
/// over it is over.
async fn a7_saturation(driver: Driver) {
    const CAP: usize = 2;
    let plan = Plan::new(driver).with("CLOUDBOX_POOL_QUEUE_LEN", "8");
    let Some(stage) = Stage::with(plan).await else { return };
    let code = "const id = Math.random();\n\
        exports.handler = async () => { await new Promise((done) => setTimeout(done, 50)); return id; };";
    stage.deploy_code("busy", Language::Node, code, &json!({"max_instances": CAP, "cpu": 0.5})).await;
    let nothing = json!({});
    join_all((0..CAP).map(|_| stage.call("busy", &nothing))).await;
    let (peak, _) = load(&stage, CAP).await;
    let (under, ids) = load(&stage, 10 * CAP).await;
    eprintln!("a7: {peak} calls done by {CAP} callers, {under} by ten times as many");
    assert!(under * 10 >= peak * 8, "{under} calls done under load, {peak} without");
    assert!(ids.len() <= CAP, "{} sandboxes for {CAP}", ids.len());
    let _ = stage.call("busy", &json!({})).await.with(200);
    stage.is_healthy().await;
    stage.stop().await;
}

/// How many calls are done while so many callers call for some seconds, and by which sandboxes.
async fn load(stage: &Stage, callers: usize) -> (usize, BTreeSet<String>) {
    let until = SystemTime::now() + Duration::from_secs(3);
    let call = || async {
        let (mut done, mut ids) = (0, BTreeSet::new());
        while SystemTime::now() < until {
            let answer = stage.call("busy", &json!({})).await;
            if answer.status == 200 {
                done += 1;
                ids.insert(answer.json::<Value>()["response"].to_string());
                continue;
            }
            assert!([429, 503].contains(&answer.status), "{}", answer.text());
            assert!(answer.header("retry-after").parse::<u64>().is_ok(), "{answer:?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        (done, ids)
    };
    let each = join_all((0..callers).map(|_| call())).await;
    each.into_iter().fold((0, BTreeSet::new()), |(sum, mut all), (done, ids)| {
        all.extend(ids);
        (sum + done, all)
    })
}

/// Between two requests of a healthy tenant, so that this machine, which may be an emulated one, is far from busy with
/// them.
async fn pace(stage: &Stage) -> Duration {
    let mut took = Vec::new();
    for number in 0..21 {
        took.push(healthy(stage, number).await);
    }
    took.sort();
    INTERVAL.max(10 * took[took.len() / 2])
}

/// The p99 of a healthy tenant with a request at every interval, each of which succeeds.
async fn healthy_p99(stage: &Stage, pace: Duration) -> Duration {
    let requests = u32::try_from(MEASURED.as_millis() / pace.as_millis()).unwrap().max(20);
    let mut took = join_all((0..requests).map(|number| async move {
        tokio::time::sleep(pace * number).await;
        healthy(stage, number).await
    }))
    .await;
    took.sort();
    took[took.len() * 99 / 100]
}

/// How long one request takes.
async fn healthy(stage: &Stage, number: u32) -> Duration {
    let began = SystemTime::now();
    let request = || stage.api.public(Method::POST, "neighbour-js", "").json(&json!(number));
    let answer = match Answer::attempt(request()).await {
        // The connection was one that the service had closed after a silence, in the same moment.
        Err(error) if error.is_request() => Answer::of(request()).await,
        other => other.unwrap(),
    };
    let answer = answer.with(200);
    assert_eq!(answer.json::<u32>(), number);
    began.elapsed().unwrap_or_default()
}
