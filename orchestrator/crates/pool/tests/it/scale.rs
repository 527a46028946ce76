//! Other numbers of sandboxes, while they run.

use std::sync::Arc;

use cloudbox_pool::{Instances, Pool, Start, Target};
use cloudbox_types::{FunctionId, Scale};
use tokio::time::sleep;

use crate::harness::*;

fn scale(min_instances: u32, max_instances: u32) -> Scale {
    Scale { min_instances, max_instances }
}

/// The figures of function 1, which has one version.
fn instances(pool: &Pool) -> Instances {
    pool.instances(FunctionId(1))[0]
}

#[tokio::test(start_paused = true)]
async fn fewer_to_keep_warm_end_at_once() {
    let (driver, pool) = open(settings());
    pool.keep_warm(&of(Target { min_instances: 5, ..target(1, 1) }));
    sleep(SECOND).await;
    assert_eq!((instances(&pool).idle, instances(&pool).starting), (5, 0));
    pool.scale(FunctionId(1), scale(2, 10));
    settle().await;
    assert_eq!((instances(&pool).idle, instances(&pool).draining), (2, 3));
    pool.scale(FunctionId(1), scale(2, 10));
    pool.scale(FunctionId(2), scale(0, 1));
    sleep(SECOND).await;
    assert_eq!((instances(&pool).idle, instances(&pool).draining), (2, 0), "nothing changed");
    pool.keep_warm(&of(Target { min_instances: 4, ..target(1, 1) }));
    sleep(SECOND).await;
    assert_eq!(instances(&pool).idle, 4);
    pool.scale(FunctionId(1), scale(0, 10));
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().idle, 0);
    assert_eq!(driver.book().entries.len(), 7);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_calls_use_stays_for_them() {
    let (driver, pool) = open(settings());
    let target = of(Target { min_instances: 1, ..target(1, 1) });
    pool.keep_warm(&target);
    sleep(SECOND).await;
    let held = [pool.lease(&target).await.unwrap(), pool.lease(&target).await.unwrap()];
    pool.scale(FunctionId(1), scale(0, 10));
    assert_eq!(instances(&pool).busy, 2);
    drop(held);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn fewer_at_most_end_idle_ones_now_and_busy_ones_with_their_calls() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.lease(&target).await.unwrap());
    }
    held.pop();
    assert_eq!((instances(&pool).busy, instances(&pool).idle), (3, 1));
    pool.scale(FunctionId(1), scale(0, 2));
    settle().await;
    assert_eq!((instances(&pool).busy, instances(&pool).idle), (3, 0));
    held.pop();
    held.pop();
    sleep(SECOND).await;
    assert_eq!((instances(&pool).busy, instances(&pool).idle, instances(&pool).draining), (1, 1, 0));
    drop(held);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_get_more_sandboxes_at_once() {
    let (driver, pool) = open(settings());
    let narrow = of(Target { max_instances: 1, ..target(1, 1) });
    let held = pool.lease(&narrow).await.unwrap();
    let waiting = spawn_call(&pool, &narrow, "/");
    sleep(SECOND).await;
    assert_eq!(instances(&pool).queued, 1);
    pool.scale(FunctionId(1), scale(0, 2));
    assert_eq!(waiting.await.unwrap().unwrap(), Start::Cold);
    drop(held);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn other_versions_are_not_held_warm_for_a_scale() {
    let (driver, pool) = open(settings());
    let old = of(target(1, 1));
    call(&pool, &old, "/").await.unwrap();
    pool.scale(FunctionId(1), scale(3, 10));
    sleep(SECOND).await;
    assert_eq!(instances(&pool).idle, 1, "a version that is called by its number");
    assert!(Arc::strong_count(&old) >= 1);
    finish(&driver, &pool).await;
}
