//! Sandboxes that several calls have at once.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_pool::{Lease, Pool, Settings, Start, Target};
use cloudbox_types::Scale;
use tokio::time::sleep;

use crate::harness::*;

/// Calls begun one after the other, and the leases that they got.
async fn leases(pool: &Arc<Pool>, target: &Arc<Target>, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    for _ in 0..count {
        leases.push(pool.lease(target).await.expect("there is room"));
    }
    leases
}

#[tokio::test(start_paused = true)]
async fn calls_share_a_sandbox_up_to_its_seats() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 3));
    let mut first = leases(&pool, &target, 3).await;
    assert_eq!(driver.book().entries.len(), 1);
    assert_eq!(pool.snapshot().busy, 1, "a sandbox counts once");
    assert!(first.iter().all(|lease| lease.sandbox_id() == first[0].sandbox_id()));
    assert_eq!(first[0].take_load_logs().expect("it printed").into_text(), "loading\n");
    assert!(first[1].take_load_logs().is_none(), "what it printed is told once");
    let fourth = pool.lease(&target).await.expect("there is room");
    assert_eq!((fourth.start(), driver.book().entries.len()), (Start::Cold, 2));
    drop(first.pop());
    let again = pool.lease(&target).await.expect("there is room");
    assert_eq!((again.start(), driver.book().entries.len()), (Start::Warm, 2));
    assert_eq!(again.sandbox_id(), fourth.sandbox_id(), "the one with fewer calls");
    drop((first, fourth, again));
    settle().await;
    assert_eq!((pool.snapshot().busy, pool.snapshot().idle), (0, 2));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_starts_as_many_as_have_room_for_it() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 10));
    let calls: Vec<_> = (0..40).map(|_| spawn_call(&pool, &target, "/")).collect();
    for call in calls {
        call.await.expect("no panic").expect("it is served");
    }
    let book = driver.book();
    assert!(book.entries.len() <= 4, "{} sandboxes", book.entries.len());
    assert_eq!(book.entries.iter().map(|entry| entry.answered).sum::<u32>(), 40);
    assert!(book.entries.iter().all(|entry| entry.sharing_peak <= 10));
    assert!(book.entries.iter().any(|entry| entry.sharing_peak == 10));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_sandboxes_told_outlasts_them() {
    let (driver, pool) = open(settings());
    driver.rewrite(|script| script.blocks = true);
    let target = of(shared(target(1, 1), 10));
    for is_known in [false, true] {
        let calls: Vec<_> = (0..10).map(|_| spawn_call(&pool, &target, "/")).collect();
        sleep(Duration::from_millis(1)).await;
        let starting = pool.snapshot().starting;
        assert_eq!(starting > 1, is_known, "{starting} start for calls that one was hoped to take");
        for call in calls {
            call.await.expect("no panic").expect("it is served");
        }
        sleep(settings().idle_timeout * 2).await;
        assert_eq!(pool.snapshot().idle, 0);
    }
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn idle_ones_are_frozen_and_run_again() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 4));
    call(&pool, &target, "/").await.expect("it is served");
    sleep(100 * MS).await;
    assert!(driver.book().entries[0].is_frozen);
    let calls: Vec<_> = (0..4).map(|_| spawn_call(&pool, &target, "/")).collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("it is served"), Start::Warm);
    }
    assert_eq!(driver.book().entries[0].answered, 5);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_takes_no_further_call_and_ends_with_those_that_it_has() {
    for path in ["/hang", "/dirty", "/oom"] {
        let (driver, pool) = open(settings());
        let target = of(shared(target(1, 1), 3));
        let mut held = leases(&pool, &target, 2).await;
        let (mut bad, good) = (held.remove(0), held.remove(0));
        drop(exchange(&mut bad, path).await);
        drop(bad);
        settle().await;
        assert!(driver.book().entries[0].is_alive, "{path}: another call has it");
        let next = pool.lease(&target).await.expect("there is room");
        assert_ne!(next.sandbox_id(), good.sandbox_id(), "{path}");
        drop(good);
        sleep(10 * MS).await;
        assert!(!driver.book().entries[0].is_alive, "{path}: the last call has gone");
        assert_eq!(pool.snapshot().totals.faults, 1, "{path}");
        drop(next);
        finish(&driver, &pool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_when_no_call_runs_ends_it() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 3));
    let held = leases(&pool, &target, 2).await;
    call(&pool, &target, "/survivor").await.expect("it is served");
    settle().await;
    assert!(driver.book().entries[0].is_alive, "it may be the others'");
    drop(held);
    sleep(10 * MS).await;
    assert!(!driver.book().entries[0].is_alive);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_while_it_was_idle_serves_nobody() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 3));
    call(&pool, &target, "/").await.expect("it is served");
    settle().await;
    driver.spoil_all();
    assert_eq!(call(&pool, &target, "/").await.expect("it is served"), Start::Cold);
    assert_eq!(driver.book().entries.len(), 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_before_anybody_sat_down_keeps_nobody_waiting() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..shared(target(1, 1), 2) });
    let held = leases(&pool, &target, 2).await;
    let waiting = spawn_call(&pool, &target, "/");
    settle().await;
    driver.spoil_all();
    drop(held);
    assert_eq!(waiting.await.expect("no panic").expect("it is served"), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn worn_ones_and_those_that_are_too_many_let_their_calls_end() {
    let (driver, pool) = open(Settings { max_calls: 2, min_age: Duration::ZERO, ..settings() });
    let target = of(shared(target(1, 1), 3));
    let held = leases(&pool, &target, 2).await;
    // Two calls for each of its seats, with those that are held.
    for _ in 0..4 {
        call(&pool, &target, "/").await.expect("it is served");
    }
    let other = pool.lease(&target).await.expect("there is room");
    assert_ne!(other.sandbox_id(), held[0].sandbox_id(), "it has served as many calls as it may");
    pool.scale(target.key.function, Scale { min_instances: 0, max_instances: 1 });
    drop(held);
    drop(other);
    sleep(10 * MS).await;
    assert!(!driver.book().entries[0].is_alive);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_call_keeps_nobody_waiting_for_a_successor() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..shared(target(1, 1), 3) });
    let long = pool.lease(&target).await.expect("there is room");
    call(&pool, &target, "/oom").await.expect("it is served");
    let next = pool.lease(&target).await.expect("the other one has a successor");
    assert_ne!(next.sandbox_id(), long.sandbox_id());
    drop((long, next));
    settle().await;
    assert_eq!(driver.book().entries.len(), 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_end_is_one_death_however_many_calls_it_had() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..shared(target(1, 1), 50) });
    let calls: Vec<_> = (0..50).map(|_| spawn_call(&pool, &target, "/exit")).collect();
    for call in calls {
        let _ = call.await.expect("it ends");
    }
    assert_eq!(call(&pool, &target, "/").await.expect("it is served at once"), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn fewer_than_before_are_fewer_by_as_many() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 3, ..shared(target(1, 1), 2) });
    let mut held = leases(&pool, &target, 6).await;
    pool.scale(target.key.function, Scale { min_instances: 0, max_instances: 2 });
    // One call of each ends.
    for at in [4, 2, 0] {
        drop(held.remove(at));
    }
    settle().await;
    let more = leases(&pool, &of(Target { max_instances: 2, ..(*target).clone() }), 2).await;
    assert_eq!(driver.book().entries.len(), 3, "two are open as before");
    drop((held, more));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_retired_version_ends_with_its_last_call() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 3));
    let mut held = leases(&pool, &target, 2).await;
    pool.retire(target.key.function, &[]);
    drop(held.pop());
    settle().await;
    assert!(driver.book().entries[0].is_alive);
    drop(held);
    sleep(10 * MS).await;
    assert!(!driver.book().entries[0].is_alive);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_breaks_off_what_goes_on() {
    let (driver, pool) = open(settings());
    let target = of(shared(target(1, 1), 3));
    let calls: Vec<_> = (0..3).map(|_| spawn_call(&pool, &target, "/hang")).collect();
    sleep(150 * MS).await;
    finish(&driver, &pool).await;
    for call in calls {
        call.await.expect("no panic").expect("it is served");
    }
}
