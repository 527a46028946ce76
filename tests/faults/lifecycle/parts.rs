//! I2: `kill -9` of what is between the service and a function: its init and its runtime, in a call and between calls.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, Service, both_drivers};
use cloudbox_types::ErrorCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::load::answers;
use crate::{hang, sandboxes};

both_drivers! {
    i2_kill_of_the_runtime_in_a_call,
    i2_kill_of_the_runtime_between_calls,
    i2_kill_of_a_frozen_runtime,
    i2_kill_of_all_idle_runtimes,
    i2_kill_of_the_init_in_a_call,
    i2_kill_of_the_init_between_calls,
}

/// What the function's process calls itself between calls, and in one that lasts.
const TITLE: &str = "cbx-victim";
const TITLE_IN_CALL: &str = "cbx-in-call";
/// As `load::SLOW`, in a process that can be found.
const VICTIM: &str = "process.title = 'cbx-victim';\n\
    exports.handler = async (data) => {\n\
    \x20 if (data.ms > 0) process.title = 'cbx-in-call';\n\
    \x20 await new Promise((r) => setTimeout(r, data.ms));\n\
    \x20 return data.n;\n\
    };";
const OTHER: &str = "def handler(data, context):\n    return data['n']\n";

async fn stage(plan: Plan) -> (Service, Api) {
    let service = plan.start().await;
    let api = service.api();
    api.launch("victim", "javascript", VICTIM).await;
    api.launch("other", "python", OTHER).await;
    answers(&api, "victim", 1).await;
    answers(&api, "other", 1).await;
    (service, api)
}

/// The next calls of both functions are right, and what was killed is gone, with everything around it.
async fn recovers(service: Service, api: &Api, killed: &[String]) {
    for n in 2..5 {
        answers(api, "victim", n).await;
        answers(api, "other", n).await;
    }
    sandboxes::are_gone(service.home(), killed).await;
    service.stop().await;
}

#[derive(Clone, Copy)]
enum Part {
    Runtime,
    Init,
}

/// Kills a part of the victim's sandbox; the sandbox's name.
fn strike(home: &Home, title: &str, part: Part) -> Vec<String> {
    let (runtime, init) = sandboxes::runtime_and_init(home, title);
    let found = sandboxes::processes(home).into_iter().find(|process| process.pid == runtime).unwrap();
    let id = sandboxes::ids(home).into_iter().filter(|id| found.cgroup.contains(id.as_str()));
    let id: Vec<String> = id.collect();
    let pid = match part {
        Part::Runtime => runtime,
        Part::Init => init,
    };
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    id
}

async fn in_a_call(driver: Driver, part: Part) -> (Answer, Service, Api, Vec<String>) {
    let (service, api) = stage(Plan::new(driver)).await;
    let called = tokio::spawn(hang(&api, "victim"));
    // Until the handler runs: a call that its sandbox did not take goes to another one.
    while !sandboxes::processes(service.home())
        .iter()
        .any(|process| process.command.starts_with(TITLE_IN_CALL))
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let killed = strike(service.home(), TITLE_IN_CALL, part);
    (called.await.unwrap(), service, api, killed)
}

/// Nothing is frozen: what is, may end no sooner than it is thawed.
async fn between_calls(driver: Driver, part: Part) {
    let (service, api) = stage(Plan::new(driver).with("CLOUDBOX_POOL_FREEZE_AFTER_MS", "60000")).await;
    let killed = strike(service.home(), TITLE, part);
    // A call that the dying process still takes is one in the middle of which it ended.
    while sandboxes::processes(service.home()).iter().any(|process| process.command.starts_with(TITLE)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    recovers(service, &api, &killed).await;
}

async fn i2_kill_of_the_runtime_in_a_call(driver: Driver) {
    let (answer, service, api, killed) = in_a_call(driver, Part::Runtime).await;
    let error = answer.error(ErrorCode::RuntimeError);
    assert!(error["error"].as_str().unwrap().contains("signal 9"), "{error}");
    recovers(service, &api, &killed).await;
}

async fn i2_kill_of_the_runtime_between_calls(driver: Driver) {
    between_calls(driver, Part::Runtime).await;
}

async fn i2_kill_of_a_frozen_runtime(driver: Driver) {
    let (service, api) = stage(Plan::new(driver)).await;
    let is_victim = |process: &sandboxes::Process| process.command.starts_with(TITLE);
    while !sandboxes::processes(service.home()).iter().any(|it| is_victim(it) && it.is_frozen()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let killed = strike(service.home(), TITLE, Part::Runtime);
    recovers(service, &api, &killed).await;
}

/// The next call gets to none of them, however many there are.
async fn i2_kill_of_all_idle_runtimes(driver: Driver) {
    const COUNT: usize = 3;
    let (service, api) = stage(Plan::new(driver).with("CLOUDBOX_POOL_FREEZE_AFTER_MS", "60000")).await;
    let call = json!({ "data": { "n": 0, "ms": 3000 } });
    let calls = futures::future::join_all((0..COUNT).map(|_| api.execute("victim", &call)));
    calls.await.into_iter().for_each(|answer| drop(answer.with(200)));
    let victims = || {
        let mut victims = sandboxes::processes(service.home());
        victims.retain(|process| [TITLE, TITLE_IN_CALL].iter().any(|it| process.command.starts_with(it)));
        victims
    };
    let ids = sandboxes::ids(service.home());
    let killed = victims();
    assert_eq!(killed.len(), COUNT, "{killed:#?}");
    for victim in &killed {
        kill(Pid::from_raw(victim.pid), Signal::SIGKILL).unwrap();
    }
    while !victims().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let is_killed = |id: &String| killed.iter().any(|victim| victim.cgroup.contains(id.as_str()));
    let killed: Vec<String> = ids.into_iter().filter(is_killed).collect();
    recovers(service, &api, &killed).await;
}

async fn i2_kill_of_the_init_in_a_call(driver: Driver) {
    let (answer, service, api, killed) = in_a_call(driver, Part::Init).await;
    assert_eq!(answer.header("retry-after"), "1");
    let error = answer.error(ErrorCode::Overloaded);
    assert!(error["error"].as_str().unwrap().contains("sandbox"), "{error}");
    recovers(service, &api, &killed).await;
}

async fn i2_kill_of_the_init_between_calls(driver: Driver) {
    between_calls(driver, Part::Init).await;
}
