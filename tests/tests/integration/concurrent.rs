//! Several calls at once in one sandbox, where a function's author asks for it: in every language, on both drivers.

use std::time::Duration;

use cloudbox_api_types::Execution;
use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Calls at once.
const TOGETHER: usize = 5;

both_drivers! { calls_share_a_sandbox, a_call_that_fails_keeps_its_neighbours, what_cannot_be_shared_is_not }

/// Functions that answer `{"n", "order"}` when as many calls are there as `TOGETHER`, each with lines of its own; `do` is for
/// what goes wrong.
const MEETING: [(&str, &str, &str); 3] = [
    (
        "node",
        "javascript",
        "let waiting = [], order = 0;
         const pause = (ms) => new Promise((done) => setTimeout(done, ms));
         exports.handler = async (data, context) => {
           console.log(`begin ${data.n}`);
           if (data.do === 'exit') { await pause(200); process.exit(3); }
           if (data.do === 'throw') throw new Error('alone');
           if (data.do === 'later') setTimeout(() => { throw new Error('of nobody'); }, 20);
           if (data.do === 'wait') { await pause(data.ms); return { n: data.n, order: ++order }; }
           await new Promise((meet) => { waiting.push(meet); if (waiting.length === 5) waiting.forEach((go) => go()); });
           await pause(10);
           console.log(`end ${data.n}`);
           context.log.info('met', { n: data.n });
           return { n: data.n, order: ++order };
         };",
    ),
    (
        "python",
        "python",
        "import asyncio, os
met, waiting, order = None, 0, 0
async def handler(data, context):
    global met, waiting, order
    print('begin', data['n'])
    do = data.get('do')
    if do == 'exit':
        await asyncio.sleep(0.2)
        os._exit(3)
    if do == 'throw': raise ValueError('alone')
    if do == 'wait':
        await asyncio.sleep(data['ms'] / 1000)
        order += 1
        return {'n': data['n'], 'order': order}
    if met is None: met = asyncio.Event()
    waiting += 1
    if waiting == 5: met.set()
    await met.wait()
    await asyncio.sleep(0.01)
    print('end', data['n'])
    context.log.info('met', {'n': data['n']})
    order += 1
    return {'n': data['n'], 'order': order}
",
    ),
    (
        "go",
        "go",
        "package main
import (\"os\"; \"sync\"; \"sync/atomic\"; \"time\"; \"errors\")
var met sync.WaitGroup
var order int64
func init() { met.Add(5) }
func Handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
    log := context[\"log\"].(map[string]interface{})[\"info\"].(func(string, ...interface{}))
    n := data[\"n\"]
    log(\"begin\", map[string]interface{}{\"n\": n})
    switch data[\"do\"] {
    case \"exit\":
        time.Sleep(200 * time.Millisecond)
        os.Exit(3)
    case \"throw\":
        return nil, errors.New(\"alone\")
    case \"wait\":
        time.Sleep(time.Duration(data[\"ms\"].(float64)) * time.Millisecond)
        return map[string]interface{}{\"n\": n, \"order\": atomic.AddInt64(&order, 1)}, nil
    }
    met.Done()
    met.Wait()
    log(\"met\", map[string]interface{}{\"n\": n})
    return map[string]interface{}{\"n\": n, \"order\": atomic.AddInt64(&order, 1)}, nil
}
",
    ),
];

async fn launch(api: &Api, (name, language, code): (&str, &str, &str), settings: Value) {
    let mut function = json!({ "name": name, "language": language, "code": code, "max_instances": 1,
        "concurrency": TOGETHER, "timeout": 60 });
    function.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let _ = api.create(&function).await.with(201);
    let _ = api.deploy(name).await.with(200);
}

/// Begins a call.
fn begin(calls: &mut JoinSet<Answer>, api: &Api, name: &str, data: Value) {
    let (api, name) = (api.clone(), name.to_owned());
    calls.spawn(async move { call(&api, &name, data).await });
}

async fn call(api: &Api, name: &str, data: Value) -> Answer {
    api.execute(name, &json!({ "data": data })).await
}

async fn calls_share_a_sandbox(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    for function in MEETING {
        let name = function.0;
        launch(&api, function, json!({})).await;
        let mut calls = JoinSet::new();
        for n in 0..TOGETHER {
            begin(&mut calls, &api, name, json!({ "n": n }));
        }
        let mut orders = Vec::new();
        while let Some(answer) = calls.join_next().await {
            let answer: Value = answer.unwrap().with(200).json();
            let n = answer["response"]["n"].as_u64().unwrap();
            orders.push(answer["response"]["order"].as_u64().unwrap());
            let logs = answer["logs"].as_str().unwrap();
            for other in 0..TOGETHER as u64 {
                let own = [format!("begin {other}"), format!("end {other}"), format!("\"n\":{other}}}")];
                let has = own.iter().any(|line| logs.contains(line.as_str()));
                assert_eq!(has, other == n, "{name}: the logs of call {n}: {logs}");
            }
            assert!(logs.contains("met"), "{name}: {logs}");
        }
        orders.sort_unstable();
        assert_eq!(orders, [1, 2, 3, 4, 5], "{name}: one process answered all");
        let recorded: Vec<Execution> = api.logs(name, "limit=10").await.items;
        assert_eq!(recorded.len(), TOGETHER);
        let one: Value = call(&api, name, json!({ "n": 9, "do": "wait", "ms": 1 })).await.with(200).json();
        assert_eq!((&one["response"]["order"], &one["start"]), (&json!(6), &json!("warm")), "{name}");
    }
    service.stop().await;
}

async fn a_call_that_fails_keeps_its_neighbours(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    for function in MEETING {
        let name = function.0;
        launch(&api, function, json!({ "timeout": 2 })).await;
        let _ = call(&api, name, json!({ "n": 0, "do": "wait", "ms": 1 })).await.with(200);
        throwing_is_a_calls_own(&api, name).await;
        a_late_one_ends_alone(&api, name).await;
        an_exit_takes_all_along(&api, name).await;
        let after: Value = call(&api, name, json!({ "n": 0, "do": "wait", "ms": 1 })).await.with(200).json();
        assert_eq!(after["response"]["order"], 1, "{name}: another process");
    }
    service.stop().await;
}

async fn throwing_is_a_calls_own(api: &Api, name: &str) {
    let mut calls = JoinSet::new();
    begin(&mut calls, api, name, json!({ "n": 1, "do": "wait", "ms": 500 }));
    sleep(Duration::from_millis(50)).await;
    let thrown = call(api, name, json!({ "n": 2, "do": "throw" })).await.error(ErrorCode::RuntimeError);
    assert!(thrown["error"].as_str().unwrap().contains("alone"), "{name}: {thrown}");
    let answer: Value = calls.join_next().await.unwrap().unwrap().with(200).json();
    assert_eq!(answer["response"]["order"], 2, "{name}");
}

/// The late one times out, and the sandbox serves the other one to its end, and nobody after it.
async fn a_late_one_ends_alone(api: &Api, name: &str) {
    let mut calls = JoinSet::new();
    begin(&mut calls, api, name, json!({ "n": 1, "do": "wait", "ms": 60_000 }));
    sleep(Duration::from_millis(1000)).await;
    let answer: Value = call(api, name, json!({ "n": 2, "do": "wait", "ms": 1500 })).await.with(200).json();
    assert_eq!(answer["response"]["order"], 3, "{name}");
    drop(calls.join_next().await.unwrap().unwrap().error(ErrorCode::Timeout));
    let next: Value = call(api, name, json!({ "n": 3, "do": "wait", "ms": 1 })).await.with(200).json();
    assert_eq!(next["response"]["order"], 1, "{name}: another process");
}

async fn an_exit_takes_all_along(api: &Api, name: &str) {
    let mut calls = JoinSet::new();
    begin(&mut calls, api, name, json!({ "n": 1, "do": "wait", "ms": 1500 }));
    begin(&mut calls, api, name, json!({ "n": 2, "do": "exit" }));
    while let Some(answer) = calls.join_next().await {
        let told = answer.unwrap().error(ErrorCode::RuntimeError);
        assert!(told["error"].as_str().unwrap().contains("exited with code 3"), "{name}: {told}");
    }
}

const SYNC: &str = "
import time
running = 0
def handler(data, context):
    global running
    running += 1
    time.sleep(0.05)
    running -= 1
    return running
";

async fn what_cannot_be_shared_is_not(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    launch(&api, ("sync", "python", SYNC), json!({})).await;
    let mut calls = JoinSet::new();
    for n in 0..TOGETHER {
        begin(&mut calls, &api, "sync", json!({ "n": n }));
    }
    let mut logs = String::new();
    while let Some(answer) = calls.join_next().await {
        let answer: Value = answer.unwrap().with(200).json();
        assert_eq!(answer["response"], 0, "one call at a time");
        logs.push_str(answer["logs"].as_str().unwrap());
    }
    assert!(logs.contains("one at a time"), "its author is told: {logs}");

    for change in [json!({ "isolation": "process" }), json!({ "isolation": "invocation" })] {
        let refused = api.patch("sync", &change).await.error(ErrorCode::ValidationError);
        assert_eq!(refused["details"][0]["field"], "concurrency", "{refused}");
    }
    let path = api.functions("/sync/scaling");
    let scaled =
        Answer::of(api.request(Method::PATCH, &path).json(&json!({ "targetConcurrency": 100 }))).await;
    assert_eq!(scaled.with(200).json::<Value>()["concurrency"], 100);
    service.stop().await;
}
