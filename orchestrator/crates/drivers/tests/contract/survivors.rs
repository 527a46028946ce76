//! What a call leaves running is found, and a restart ends it.

use std::time::Duration;

use cloudbox_sandbox::{Program, Sandbox};

use super::fixture::{Fixture, ask, call, load, shim, soon};

pub async fn a_call_that_leaves_nothing_is_settled(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    for command in ["echo", "child echo", "forks 0"] {
        let _ = ask(sandbox.as_mut(), command).await;
        assert!(sandbox.settle(Duration::ZERO).await, "{command}");
        assert!(sandbox.is_clean());
    }
    sandbox.kill().await;
}

pub async fn a_process_is_found(fixture: &Fixture) {
    is_found(fixture, shim(), "leave process").await;
}

pub async fn an_orphan_is_found(fixture: &Fixture) {
    is_found(fixture, shim(), "leave orphan").await;
}

pub async fn a_process_that_hides_is_found(fixture: &Fixture) {
    let mut sandbox = serving(fixture, shim()).await;
    let _ = ask(sandbox.as_mut(), "leave hidden").await;
    // By then it has hidden.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!sandbox.settle(Duration::ZERO).await);
    sandbox.kill().await;
}

pub async fn a_thread_is_found_where_their_number_is_fixed(fixture: &Fixture) {
    is_found(fixture, Program { has_fixed_threads: true, ..shim() }, "leave thread").await;
    let mut sandbox = serving(fixture, shim()).await;
    let _ = ask(sandbox.as_mut(), "leave thread").await;
    assert!(sandbox.settle(Duration::ZERO).await, "a runtime may start threads of its own");
    let _ = ask(sandbox.as_mut(), "leave process").await;
    assert!(!sandbox.settle(Duration::ZERO).await, "but a process is a process");
    sandbox.kill().await;
}

pub async fn what_the_load_started_may_stay(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let _ = ask(sandbox.as_mut(), "leave process").await;
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    let _ = ask(sandbox.as_mut(), "echo").await;
    assert!(sandbox.settle(Duration::ZERO).await);
    sandbox.kill().await;
}

pub async fn a_restart_ends_all_and_starts_anew(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    for round in 0..3 {
        let _ = ask(sandbox.as_mut(), "leave orphan").await;
        let _ = ask(sandbox.as_mut(), "forks 10").await;
        let _ = ask(sandbox.as_mut(), &format!("write /tmp/{round} x")).await;
        sandbox.restart(soon()).await.unwrap();
        sandbox.start(&shim(), soon()).await.unwrap();
        sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
        let found = ask(sandbox.as_mut(), "list /proc").await;
        let processes = found.split(' ').filter(|name| name.parse::<u32>().is_ok()).count();
        assert!(processes <= 2, "the runtime, and the init where it is shown: {found}");
        assert!(sandbox.settle(Duration::ZERO).await);
        assert_eq!(ask(sandbox.as_mut(), "read /workspace/main").await, "the code");
    }
    assert_eq!(ask(sandbox.as_mut(), "list /tmp").await, "0 1 2", "its files stay");
    sandbox.kill().await;
}

pub async fn a_restart_of_a_dead_runtime_is_a_start(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    call(sandbox.as_mut(), "exit 3", soon()).await.unwrap_err();
    sandbox.restart(soon()).await.unwrap();
    sandbox.start(&shim(), soon()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    assert_eq!(ask(sandbox.as_mut(), "echo again").await, "again");
    assert!(sandbox.is_clean());
    sandbox.kill().await;
}

async fn is_found(fixture: &Fixture, program: Program, command: &str) {
    let mut sandbox = serving(fixture, program).await;
    let _ = ask(sandbox.as_mut(), command).await;
    assert!(!sandbox.settle(Duration::ZERO).await, "{command}");
    assert!(!sandbox.is_clean(), "{command}");
    sandbox.kill().await;
}

async fn serving(fixture: &Fixture, program: Program) -> Box<dyn Sandbox> {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.bind(&fixture.spec().limits, &fixture.code()).await.unwrap();
    sandbox.start(&program, soon()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    sandbox
}
