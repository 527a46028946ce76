//! D: the dial of isolation where a process, or a sandbox, is ready before its call comes.

use std::time::Duration;

use cloudbox_tests::{Language, Stage, on_both_drivers};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

on_both_drivers! { d_processes_made_ahead, d_sandboxes_made_ahead }

/// How long a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers with the value of an expression, and whatever an earlier call may have left for it.
const CODE: &str = "import os, random, subprocess, sys, tempfile, threading, time, uuid\n\
    if 'SEED' in os.environ: random.seed(1)\n\
    seen = []\n\
    def left():\n\
    \x20   mine = {os.getpid(), os.getppid(), 1}\n\
    \x20   others = [int(pid) for pid in os.listdir('/proc') if pid.isdigit()]\n\
    \x20   return [len(seen), sorted(os.listdir('/tmp')), threading.active_count(), len(set(others) - mine)]\n\
    def plant():\n\
    \x20   seen.append(1)\n\
    \x20   open('/tmp/planted', 'w').close()\n\
    \x20   return 'planted'\n\
    def handler(data, context):\n\
    \x20   return eval(data['run'])\n";

async fn run(stage: &Stage, name: &str, expression: &str) -> Value {
    let answer: Value = stage.call(name, &json!({ "run": expression })).await.with(200).json();
    answer["response"].clone()
}

/// Values that a call takes out of the air, each of another source.
const RANDOM: &str =
    "[random.random(), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(8).hex(), tempfile.mktemp()]";

async fn is_random_in_each_call(stage: &Stage, name: &str) {
    let mut drawn = Vec::new();
    for _ in 0..4 {
        drawn.push(run(stage, name, RANDOM).await);
    }
    for source in 0..5 {
        let mut values: Vec<_> = drawn.iter().map(|values| values[source].to_string()).collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), drawn.len(), "{name}: {drawn:?}");
    }
}

/// A process that waits for its call: the call finds nothing of an earlier one, what that left is ended, and so are calls that
/// take too long, crash or take too much memory; each is followed by one that is served.
async fn d_processes_made_ahead(stage: &Stage) {
    let settings = json!({ "isolation": "process", "max_instances": 1, "timeout": 20, "environment": { "WORD": "old", "SEED": "1" } });
    stage.deploy_code("ahead", Language::Python, CODE, &settings).await;
    let found = run(stage, "ahead", "left()").await;
    assert_eq!((&found[0], &found[1], &found[2]), (&json!(0), &json!([]), &json!(1)), "nothing at first");
    // The process of the next call may be there already, and no other.
    assert!(found[3].as_u64().is_some_and(|others| others <= 1), "{found}");
    assert_eq!(run(stage, "ahead", "plant()").await, "planted");
    let found = run(stage, "ahead", "left()").await;
    assert_eq!((&found[0], &found[1]), (&json!(0), &json!(["planted"])), "files are shared, globals are not");
    is_random_in_each_call(stage, "ahead").await;
    for leaves in [
        "(subprocess.Popen(['/usr/local/bin/python3', '-c', 'import time; time.sleep(600)']), 'left')[1]",
        "'left' if os.fork() else time.sleep(600)",
    ] {
        assert_eq!(run(stage, "ahead", leaves).await, "left");
        let found = run(stage, "ahead", "left()").await;
        assert_eq!(found[1], json!([]), "another sandbox's: {leaves}");
    }
    for (bad, code) in [
        ("os.kill(os.getpid(), 11)", ErrorCode::RuntimeError),
        ("os._exit(0)", ErrorCode::RuntimeError),
        ("bytearray(1 << 30)", ErrorCode::OutOfMemory),
        ("os.kill(os.getppid(), 9) or time.sleep(600)", ErrorCode::RuntimeError),
    ] {
        let _ = stage.call("ahead", &json!({ "run": bad })).await.error(code);
        assert_eq!(run(stage, "ahead", "1 + 1").await, 2, "after {bad}");
    }
    let late = json!({ "data": { "run": "time.sleep(600)" }, "timeout_ms": 1000 });
    let _ = stage.api.execute("ahead", &late).await.error(ErrorCode::Timeout);
    assert_eq!(run(stage, "ahead", "1 + 1").await, 2, "after a call that took too long");
    is_replaced(stage, "ahead").await;
}

/// A sandbox that waits for its call serves that one alone: neither globals, files, threads nor processes of an earlier one
/// are there.
async fn d_sandboxes_made_ahead(stage: &Stage) {
    let settings = json!({ "isolation": "invocation", "environment": { "WORD": "old" } });
    stage.deploy_code("alone", Language::Python, CODE, &settings).await;
    for plants in [
        "plant()",
        "threading.Thread(target=time.sleep, args=(600,)).start()",
        "os.fork() and None or time.sleep(600)",
    ] {
        let _ = stage.call("alone", &json!({ "run": plants })).await;
        let found = run(stage, "alone", "left()").await;
        assert_eq!((&found[0], &found[1], &found[2]), (&json!(0), &json!([]), &json!(1)), "after {plants}");
    }
    is_random_in_each_call(stage, "alone").await;
    finds_one_ready(stage, "alone").await;
    let metrics = stage.api.get("/metrics").await.with(200).text();
    let has = |series: &str| metrics.lines().any(|line| line.starts_with(series) && !line.ends_with(" 0"));
    assert!(
        has("cloudbox_pool_prepared_leases_total") && has("cloudbox_pool_prepared_misses_total"),
        "{metrics}"
    );
    is_replaced(stage, "alone").await;
}

/// Sooner or later a call has a sandbox that waited for it, and says so. Each try leaves it more time to come up: a call that
/// is early takes the one that is about to be ready.
async fn finds_one_ready(stage: &Stage, name: &str) {
    let began = Instant::now();
    for tries in 1.. {
        let answer: Value = stage.call(name, &json!({ "run": "left()[:2]" })).await.with(200).json();
        assert_eq!(answer["response"], json!([0, []]), "whichever it is");
        if answer["start"] == "warm" {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "none is held ready");
        sleep(tries * Duration::from_millis(200)).await;
    }
}

/// What was made ahead with other settings, or with other code, takes no call any more.
async fn is_replaced(stage: &Stage, name: &str) {
    let word = "os.environ['WORD']";
    assert_eq!(run(stage, name, word).await, "old");
    for new in ["newer", "newest"] {
        let change = json!({ "environment": { "WORD": new } });
        let _ = stage.api.patch(name, &change).await.with(200);
        assert_eq!(run(stage, name, word).await, new, "{name}: at once");
        assert_eq!(run(stage, name, word).await, new, "{name}: the next one, too");
    }
    let code = "def handler(data, context):\n    return 'other code'\n";
    let _ = stage.api.patch(name, &json!({ "code": code })).await.with(200);
    let _ = stage.api.deploy(name).await.with(200);
    for _ in 0..3 {
        assert_eq!(run(stage, name, "1").await, "other code", "{name}");
    }
}
