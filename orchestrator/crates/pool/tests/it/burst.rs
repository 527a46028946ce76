//! Many calls of one function at once: as many sandboxes start as serve them sooner, and no more.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::FakeDriver;
use cloudbox_pool::{Pool, Settings, Start, Target};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::harness::*;

thread_local! {
    /// Whether the machine has no core to spare. Each test has a thread of its own.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Two cores, and room for whatever is thought useful. A start takes 100 ms.
fn two_cores() -> Settings {
    Settings { cores: 2, has_no_core_to_spare: || IS_BUSY.get(), queue_wait: 600 * SECOND, ..settings() }
}

fn wide() -> Arc<Target> {
    of(Target { max_instances: 100, ..target(1, 1) })
}

/// As many calls at once, each of which takes this much of a core; how many sandboxes there were, and how long it took.
async fn burst(driver: &FakeDriver, pool: &Arc<Pool>, count: u32, cpu: Duration) -> (usize, Duration) {
    let (began, before) = (Instant::now(), driver.book().entries.len());
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let (pool, target) = (Arc::clone(pool), wide());
        calls.spawn(async move {
            let mut lease = pool.lease(&target).await.expect("every call is served");
            exchange(&mut lease, "/").await.expect("every call is answered");
            lease.spent(cpu);
        });
    }
    assert_eq!(calls.join_all().await.len(), count as usize);
    (driver.book().entries.len() - before, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn quick_calls_are_served_by_a_few() {
    let (driver, pool) = open(two_cores());
    driver.rewrite(|script| script.exchange = MS);
    let (started, took) = burst(&driver, &pool, 150, Duration::ZERO).await;
    assert_eq!(started, 2, "they do it in 75 ms");
    assert!(took < 250 * MS, "{took:?}");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_something_get_one_each() {
    let (driver, pool) = open(two_cores());
    driver.rewrite(|script| script.exchange = 10 * SECOND);
    let (started, took) = burst(&driver, &pool, 20, Duration::ZERO).await;
    assert_eq!(started, 20);
    // Eight start at once, so three rounds of 100 ms, and the looks between.
    assert!(took < 11 * SECOND, "{took:?}");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_function_counts_at_once() {
    let (driver, pool) = open(two_cores());
    driver.rewrite(|script| script.exchange = 10 * SECOND);
    burst(&driver, &pool, 4, Duration::ZERO).await;
    let held = [pool.lease(&wide()).await.unwrap(), pool.lease(&wide()).await.unwrap()];
    let more = [pool.lease(&wide()).await.unwrap(), pool.lease(&wide()).await.unwrap()];
    let began = Instant::now();
    let fifth = pool.lease(&wide()).await.unwrap();
    assert_eq!((fifth.start(), began.elapsed()), (Start::Cold, 100 * MS), "no look before");
    drop((held, more, fifth));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_compute_get_as_many_as_there_are_cores() {
    let (driver, pool) = open(two_cores());
    driver.rewrite(|script| script.exchange = 50 * MS);
    // What is not known of the first calls is found out with them.
    burst(&driver, &pool, 8, 50 * MS).await;
    sleep(SECOND).await;
    pool.scale(wide().key.function, cloudbox_types::Scale { min_instances: 0, max_instances: 2 });
    sleep(SECOND).await;
    let (started, _) = burst(&driver, &pool, 200, 50 * MS).await;
    assert_eq!(started, 0, "more would not make the cores faster");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_machine_starts_no_more_than_it_must() {
    IS_BUSY.set(true);
    let (driver, pool) = open(two_cores());
    let (started, _) = burst(&driver, &pool, 150, Duration::ZERO).await;
    assert_eq!(started, 2, "they are done within a second");
    driver.rewrite(|script| script.exchange = 10 * SECOND);
    let (started, _) = burst(&driver, &pool, 10, Duration::ZERO).await;
    assert_eq!(started, 8, "no call waits for minutes for a core's sake");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_without_end_get_more_by_and_by() {
    let (driver, pool) = open(two_cores());
    driver.rewrite(|script| script.exchange = MS);
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let pool = Arc::clone(&pool);
        callers.spawn(async move {
            loop {
                call(&pool, &wide(), "/").await.expect("every call is served");
            }
        });
    }
    sleep(150 * MS).await;
    assert_eq!(driver.book().entries.len(), 2);
    sleep(5 * SECOND).await;
    let count = driver.book().entries.len();
    assert!((6..=8).contains(&count), "{count} for eight who call");
    drop(callers);
    finish(&driver, &pool).await;
}
