//! What goes wrong inside is told as what it was.

use std::time::Duration;

use cloudbox_sandbox::SandboxFaultKind;
use tokio::time::Instant;

use super::fixture::{Fixture, call, leftovers, program, soon};

pub async fn an_exit_is_told_with_its_code(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "exit 42", soon()).await.unwrap_err();
    assert!(
        matches!(fault.kind, SandboxFaultKind::Exited { code: Some(42), signal: None }),
        "{:?}",
        fault.kind
    );
    sandbox.kill().await;
}

pub async fn a_signal_is_told(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "abort", soon()).await.unwrap_err();
    assert!(
        matches!(fault.kind, SandboxFaultKind::Exited { code: None, signal: Some(6) }),
        "{:?}",
        fault.kind
    );
    assert!(!sandbox.is_clean());
    sandbox.kill().await;
}

pub async fn the_memory_limit_is_told(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "allocate 500", soon()).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::OutOfMemory), "{:?}", fault.kind);
    sandbox.kill().await;
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let exit = sandbox.run(&program(&["allocate", "500"]), soon()).await.unwrap();
    assert!(exit.is_out_of_memory, "{exit:?}");
    sandbox.kill().await;
}

pub async fn a_child_at_the_memory_limit_is_the_calls_fault(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "child-then-fail allocate 500", soon()).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::OutOfMemory), "{:?}", fault.kind);
    sandbox.kill().await;
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "child allocate 500", soon()).await.unwrap_err();
    assert!(
        matches!(fault.kind, SandboxFaultKind::OutOfMemory),
        "also where the runtime goes on: {:?}",
        fault.kind
    );
    assert!(!sandbox.is_clean(), "nobody knows what the kill has cost it");
    sandbox.kill().await;
}

pub async fn a_deadline_is_told_and_the_kill_ends_all(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let deadline = Instant::now() + Duration::from_millis(100);
    let fault = call(sandbox.as_mut(), "spin", deadline).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::Deadline), "{:?}", fault.kind);
    sandbox.kill().await;
    assert_eq!(leftovers(fixture.subject, &fixture.instance, false).await, Vec::<String>::new());
}

pub async fn a_byte_out_of_turn_makes_it_unclean(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let fault = call(sandbox.as_mut(), "stray", soon()).await;
    assert!(matches!(fault.unwrap_err().kind, SandboxFaultKind::Tainted(_)));
    assert!(!sandbox.is_clean());
    sandbox.kill().await;
}
