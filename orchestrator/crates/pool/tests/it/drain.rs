//! Drain: nothing new, running calls end or are broken off, and nothing is left.

use cloudbox_pool::{LeaseError, Settings, Target};
use cloudbox_sandbox::{Error, SandboxFaultKind};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

use crate::harness::*;

#[tokio::test(start_paused = true)]
async fn running_calls_end_and_nothing_new_begins() {
    let (driver, pool) = open(Settings { spares: vec![spares(2)], ..settings() });
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    driver.rewrite(|script| script.exchange = 3 * SECOND);
    let running = spawn_call(&pool, &target, "/");
    sleep(SECOND).await;
    let waiting = spawn_call(&pool, &target, "/");
    settle().await;
    let draining = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.drain(Instant::now() + 30 * SECOND).await })
    };
    settle().await;
    assert!(matches!(waiting.await.unwrap(), Err(LeaseError::Closing)));
    assert!(matches!(pool.lease(&target).await, Err(LeaseError::Closing)));
    assert!(!draining.is_finished());
    running.await.unwrap().unwrap();
    draining.await.unwrap();
    assert_eq!(driver.book().entries[..].iter().map(|entry| entry.answered).sum::<u32>(), 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_running_calls_are_broken_off() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let mut lease = pool.lease(&target).await.unwrap();
    let hanging = tokio::spawn(async move { exchange(&mut lease, "/hang").await });
    settle().await;
    let began = Instant::now();
    pool.drain(Instant::now() + 2 * SECOND).await;
    assert_eq!(began.elapsed().as_secs(), 2);
    let fault = hanging.await.unwrap().unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::Host(Error::Gone)));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_under_way_ends_and_is_killed() {
    let (driver, pool) = open(settings());
    let waiting = spawn_call(&pool, &of(target(1, 1)), "/");
    sleep(20 * MS).await;
    pool.drain(Instant::now()).await;
    assert!(matches!(waiting.await.unwrap(), Err(LeaseError::Closing)));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_without_anything_drains_at_once() {
    let (driver, pool) = open(settings());
    let began = Instant::now();
    pool.drain(began + 10 * SECOND).await;
    assert_eq!(began.elapsed().as_secs(), 0);
    finish(&driver, &pool).await;
}
