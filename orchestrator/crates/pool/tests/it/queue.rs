//! Calls that wait: bursts, order, bounds, and callers that go away.

use std::sync::Arc;

use cloudbox_pool::{LeaseError, Reason, Settings, Start, Target};
use tokio::time::{Instant, sleep};

use crate::harness::*;

#[tokio::test(start_paused = true)]
async fn a_burst_of_first_calls_starts_no_more_than_allowed() {
    let (driver, pool) = open(Settings { queue_len: 1000, max_starts_at_once: 3, ..settings() });
    let target = of(Target { max_instances: 4, ..target(1, 1) });
    let calls: Vec<_> = (0..200).map(|_| spawn_call(&pool, &target, "/")).collect();
    let mut cold = 0;
    for call in calls {
        cold += usize::from(call.await.unwrap().unwrap() == Start::Cold);
    }
    let book = driver.book();
    assert_eq!((book.entries.len(), book.creating_peak, cold), (4, 3, 4));
    assert_eq!(book.entries.iter().map(|entry| entry.answered).sum::<u32>(), 200);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_few_first_calls_start_one_each() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let calls: Vec<_> = (0..3).map(|_| spawn_call(&pool, &target, "/")).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(driver.book().entries.len(), 3);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn the_longest_waiting_call_is_served_first() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..10 {
        let (pool, target, sender) = (Arc::clone(&pool), Arc::clone(&target), sender.clone());
        tokio::spawn(async move {
            call(&pool, &target, "/").await.unwrap();
            sender.send(number).unwrap();
        });
        settle().await;
    }
    for number in 0..10 {
        assert_eq!(order.recv().await, Some(number));
    }
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queue_calls_are_refused_at_once() {
    let (driver, pool) = open(Settings { queue_len: 2, ..settings() });
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let lease = pool.lease(&target).await.unwrap();
    let waiting = [spawn_call(&pool, &target, "/"), spawn_call(&pool, &target, "/")];
    settle().await;
    let began = Instant::now();
    let error = pool.lease(&target).await.unwrap_err();
    assert_eq!(reason(&error), Some((Reason::QueueFull, 1)));
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    drop(lease);
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    assert_eq!(pool.snapshot().totals.overloaded, 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_calls_still_start_sandboxes() {
    let (driver, pool) = open(Settings { queue_len: 0, queue_wait: std::time::Duration::ZERO, ..settings() });
    let target = of(Target { max_instances: 2, ..target(1, 1) });
    let calls: Vec<_> = (0..5).map(|_| spawn_call(&pool, &target, "/")).collect();
    let mut served = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => served += 1,
            Err(error) => assert_eq!(reason(&error), Some((Reason::QueueFull, 1))),
        }
    }
    assert_eq!(served, 2);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_allowed() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let lease = pool.lease(&target).await.unwrap();
    let began = Instant::now();
    let error = pool.lease(&target).await.unwrap_err();
    assert_eq!(reason(&error), Some((Reason::QueueWait, 1)));
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(pool.snapshot().queued, 0);
    drop(lease);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_start_is_under_way_waits_for_its_end() {
    let (driver, pool) = open(settings());
    let slow = of(Target { max_instances: 1, ..target(1, 1) });
    driver.rewrite(|script| script.load = 12 * SECOND);
    let calls = [spawn_call(&pool, &slow, "/"), spawn_call(&pool, &slow, "/")];
    let [first, second] = calls;
    assert_eq!(first.await.unwrap().unwrap(), Start::Cold);
    assert_eq!(reason(&second.await.unwrap().unwrap_err()), Some((Reason::QueueWait, 1)));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_its_sandbox_to_others() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let gone = spawn_call(&pool, &target, "/");
    sleep(20 * MS).await;
    gone.abort();
    sleep(200 * MS).await;
    let now = pool.snapshot();
    assert_eq!((now.queued, now.starting, now.idle), (0, 0, 1));
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_takes_goes_to_the_next() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let lease = pool.lease(&target).await.unwrap();
    let mut gone = Box::pin(pool.lease(&target));
    assert!(tokio::time::timeout(MS, &mut gone).await.is_err());
    let next = spawn_call(&pool, &target, "/");
    settle().await;
    // The grant is sent to `gone`, which is dropped before it looks.
    drop(lease);
    drop(gone);
    assert_eq!(next.await.unwrap().unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_function_over_the_whole_budget_is_refused() {
    let (driver, pool) = open(Settings { memory_budget_mb: 63, ..settings() });
    let error = pool.lease(&of(target(1, 1))).await.unwrap_err();
    assert!(matches!(error, LeaseError::Overloaded { reason: Reason::OverBudget, .. }));
    finish(&driver, &pool).await;
}
