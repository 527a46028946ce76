//! What is done with a sandbox after a call: kept, frozen, settled, restarted, ended.

use crate::fake::Outcome;
use cloudbox_pool::{Settings, Start, Target};
use cloudbox_sandbox::{AfterCall, Launch};

use crate::harness::*;

fn isolated(after_call: AfterCall) -> Target {
    let plain = target(1, 1);
    Target { launch: Launch { after_call, ..plain.launch.clone() }, ..plain }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_left_something_costs_its_sandbox() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    assert_eq!(call(&pool, &target, "/survivor").await.unwrap(), Start::Cold);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_sandbox_is_frozen_and_a_call_thaws_it() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    call(&pool, &target, "/").await.unwrap();
    assert!(!driver.book().entries[0].is_frozen, "not yet");
    tokio::time::sleep(60 * MS).await;
    assert!(driver.book().entries[0].is_frozen);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    assert_eq!(driver.book().entries[0].answered, 2);
    tokio::time::sleep(60 * MS).await;
    assert!(driver.book().entries[0].is_frozen, "again");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_sandbox_is_never_frozen() {
    let (driver, pool) = open(Settings { freeze_after: 25 * MS, ..settings() });
    let target = of(target(1, 1));
    for _ in 0..40 {
        call(&pool, &target, "/").await.unwrap();
        tokio::time::sleep(10 * MS).await;
        assert!(!driver.book().entries[0].is_frozen);
    }
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn many_idle_ones_are_all_frozen() {
    let (driver, pool) = open(settings());
    for function in 1..=30 {
        call(&pool, &of(target(function, 1)), "/").await.unwrap();
    }
    tokio::time::sleep(100 * MS).await;
    assert!(driver.book().entries.iter().all(|entry| entry.is_frozen));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_is_not_frozen_but_removed() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    call(&pool, &target, "/").await.unwrap();
    driver.spoil_all();
    tokio::time::sleep(60 * MS).await;
    assert_eq!((driver.book().live, pool.snapshot().idle), (0, 0));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn each_invocation_may_have_a_sandbox_of_its_own() {
    let (driver, pool) = open(settings());
    let target = of(isolated(AfterCall::End));
    for _ in 0..3 {
        assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    }
    let book = driver.book();
    assert_eq!(book.entries.len(), 3);
    assert!(book.entries.iter().all(|entry| entry.answered == 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn invocations_take_the_generic_spares() {
    let (driver, pool) = open(Settings { spares: vec![spares(2)], ..settings() });
    tokio::time::sleep(SECOND).await;
    let target = of(isolated(AfterCall::End));
    for _ in 0..4 {
        assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(pool.snapshot().totals.spare_starts, 4);
    assert_eq!(pool.snapshot().generic, 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_what_a_call_left_and_loads_again() {
    let (driver, pool) = open(settings());
    let target = of(isolated(AfterCall::Restart));
    assert_eq!(call(&pool, &target, "/survivor").await.unwrap(), Start::Cold);
    assert_eq!((pool.snapshot().idle, pool.snapshot().starting), (0, 1));
    let mut lease = pool.lease(&target).await.unwrap();
    assert_eq!(lease.start(), Start::Warm, "it waits for the restart instead of starting another");
    assert_eq!(lease.take_load_logs().unwrap().into_text(), "loading\n", "each process prints its own");
    exchange(&mut lease, "/").await.unwrap();
    drop(lease);
    tokio::time::sleep(SECOND).await;
    assert_eq!((pool.snapshot().idle, pool.snapshot().busy), (1, 0));
    let book = driver.book();
    assert_eq!((book.entries.len(), book.entries[0].restarts), (1, 2));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_is_a_failed_start() {
    let (driver, pool) = open(settings());
    let target = of(isolated(AfterCall::Restart));
    call(&pool, &target, "/").await.unwrap();
    driver.load(1, Outcome::Code);
    tokio::time::sleep(SECOND).await;
    assert_eq!((driver.book().live, pool.snapshot().idle), (0, 0));
    assert_eq!(pool.snapshot().totals.failed_starts, 1);
    driver.load(1, Outcome::Good);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_forked_call_is_waited_for_before_the_next() {
    let (driver, pool) = open(settings());
    let target = of(isolated(AfterCall::Settle));
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    assert_eq!(call(&pool, &target, "/survivor").await.unwrap(), Start::Warm);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold, "the one that left something ended");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_retired_sandbox_is_not_restarted() {
    let (driver, pool) = open(settings());
    let target = of(isolated(AfterCall::Restart));
    let mut lease = pool.lease(&target).await.unwrap();
    pool.retire(target.key.function, &[]);
    exchange(&mut lease, "/").await.unwrap();
    drop(lease);
    tokio::time::sleep(SECOND).await;
    assert_eq!((driver.book().live, driver.book().entries[0].restarts), (0, 0));
    finish(&driver, &pool).await;
}
