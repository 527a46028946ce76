//! Leases: warm and cold, given back and not, recycled, retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cloudbox_pool::{Settings, Start, Target, TargetKey, Waited};
use cloudbox_protocol::Answer;
use cloudbox_types::FunctionId;
use tokio::time::sleep;

use crate::harness::*;

#[tokio::test(start_paused = true)]
async fn the_first_call_is_cold_and_the_second_warm() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let mut lease = pool.lease(&target).await.unwrap();
    assert_eq!(lease.start(), Start::Cold);
    assert_eq!(lease.take_load_logs().unwrap().into_text(), "loading\n");
    let Answer::Result(_, body) = exchange(&mut lease, "/").await.unwrap().answer else { panic!() };
    assert_eq!(&body[..], b"hi");
    assert_eq!(pool.snapshot().busy, 1);
    drop(lease);
    assert_eq!(pool.snapshot().idle, 1);
    let mut lease = pool.lease(&target).await.unwrap();
    assert_eq!(lease.start(), Start::Warm);
    assert!(lease.take_load_logs().is_none());
    drop(lease);
    assert_eq!(driver.book().entries.len(), 1);
    let totals = pool.snapshot().totals;
    assert_eq!((totals.cold_leases, totals.warm_leases, totals.starts), (1, 1, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_says_what_its_call_waited_for() {
    let (driver, pool) = open(settings());
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let lease = pool.lease(&target).await.unwrap();
    let first = lease.waited();
    assert!(first.queue < 5 * MS && first.load >= 100 * MS, "its start: {first:?}");
    let (own, others) = (Arc::clone(&pool), Arc::clone(&target));
    let waiting = tokio::spawn(async move { own.lease(&others).await.unwrap() });
    sleep(40 * MS).await;
    drop(lease);
    let lease = waiting.await.unwrap();
    let second = lease.waited();
    assert!(second.queue >= 40 * MS && second.load.is_zero(), "the other call: {second:?}");
    drop(lease);
    assert_eq!(pool.lease(&target).await.unwrap().waited(), Waited::default());
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn of_those_used_a_moment_ago_one_of_the_callers_cpu_is_leased() {
    static CPU: AtomicUsize = AtomicUsize::new(0);
    let (driver, pool) = open(Settings { this_cpu: || CPU.load(Relaxed), ..settings() });
    let target = of(target(1, 1));
    let leases = [pool.lease(&target).await.unwrap(), pool.lease(&target).await.unwrap()];
    let ids = leases.each_ref().map(|lease| lease.sandbox_id().clone());
    for (cpu, lease) in leases.into_iter().enumerate() {
        CPU.store(cpu, Relaxed);
        drop(lease);
    }
    for (cpu, id) in ids.iter().enumerate() {
        CPU.store(cpu, Relaxed);
        assert_eq!(pool.lease(&target).await.unwrap().sandbox_id(), id, "of CPU {cpu}");
    }
    CPU.store(2, Relaxed);
    drop(pool.lease(&target).await.unwrap());
    CPU.store(0, Relaxed);
    assert_eq!(pool.lease(&target).await.unwrap().sandbox_id(), &ids[0]);
    sleep(10 * MS).await;
    CPU.store(1, Relaxed);
    assert_eq!(pool.lease(&target).await.unwrap().sandbox_id(), &ids[0], "what was near is no longer");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_used_one_is_leased_first() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let first = pool.lease(&target).await.unwrap();
    let second = pool.lease(&target).await.unwrap();
    let last = second.sandbox_id().clone();
    drop(first);
    drop(second);
    assert_eq!(*pool.lease(&target).await.unwrap().sandbox_id(), last);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_but_an_answered_clean_sandbox_is_used_again() {
    for path in ["/exit", "/oom", "/hang", "/dirty"] {
        let (driver, pool) = open(settings());
        let target = of(target(1, 1));
        call(&pool, &target, path).await.unwrap();
        settle().await;
        assert_eq!(pool.snapshot().idle, 0, "{path}");
        assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold, "{path}");
        assert_eq!(driver.book().entries.len(), 2, "{path}");
        finish(&driver, &pool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_broken_off_takes_its_sandbox_with_it() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let mut lease = pool.lease(&target).await.unwrap();
    assert!(tokio::time::timeout(2 * MS, exchange(&mut lease, "/")).await.is_err());
    drop(lease);
    settle().await;
    assert_eq!((pool.snapshot().idle, pool.snapshot().draining), (0, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_while_it_was_idle_is_not_leased() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    call(&pool, &target, "/").await.unwrap();
    driver.spoil_all();
    let mut lease = pool.lease(&target).await.unwrap();
    assert_eq!(lease.start(), Start::Cold);
    exchange(&mut lease, "/").await.unwrap();
    drop(lease);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn sandboxes_are_replaced_after_enough_calls_or_time() {
    let (driver, pool) =
        open(Settings { max_calls: 2, min_age: Duration::ZERO, max_age: 60 * SECOND, ..settings() });
    let target = of(target(1, 1));
    let mut starts = Vec::new();
    for _ in 0..4 {
        starts.push(call(&pool, &target, "/").await.unwrap());
    }
    assert_eq!(starts, [Start::Cold, Start::Warm, Start::Cold, Start::Warm]);
    call(&pool, &target, "/").await.unwrap();
    tokio::time::sleep(62 * SECOND).await;
    assert_eq!(pool.snapshot().idle, 0);
    assert_eq!(pool.snapshot().totals.recycled, 3);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_fast_are_no_reason_to_replace_a_young_one() {
    let (driver, pool) = open(Settings { max_calls: 2, min_age: 10 * SECOND, ..settings() });
    let target = of(target(1, 1));
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    for _ in 0..9 {
        assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
        tokio::time::sleep(SECOND).await;
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm, "the last call of its life");
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn idle_ones_end_but_for_those_that_stay_warm() {
    let (driver, pool) = open(Settings { max_age: 10_000 * SECOND, ..settings() });
    let target = of(Target { min_instances: 2, ..target(1, 1) });
    pool.keep_warm(&target);
    tokio::time::sleep(SECOND).await;
    assert_eq!(pool.snapshot().idle, 2);
    let leases = leases_of(&pool, &target, 4).await;
    assert_eq!(leases.iter().filter(|lease| lease.start() == Start::Warm).count(), 2);
    drop(leases);
    assert_eq!(pool.snapshot().idle, 4);
    tokio::time::sleep(602 * SECOND).await;
    assert_eq!(pool.snapshot().idle, 2);
    driver.spoil_all();
    call(&pool, &target, "/").await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(pool.snapshot().idle, 2, "those that ended were replaced");
    finish(&driver, &pool).await;
}

async fn leases_of(
    pool: &std::sync::Arc<cloudbox_pool::Pool>,
    target: &std::sync::Arc<Target>,
    count: usize,
) -> Vec<cloudbox_pool::Lease> {
    let mut leases = Vec::new();
    for _ in 0..count {
        leases.push(pool.lease(target).await.expect("there is room"));
    }
    leases
}

#[tokio::test(start_paused = true)]
async fn retiring_ends_idle_ones_now_and_busy_ones_with_their_calls() {
    let (driver, pool) = open(settings());
    let (old, new) = (of(target(1, 1)), of(target(1, 2)));
    let busy = pool.lease(&old).await.unwrap();
    call(&pool, &old, "/").await.unwrap();
    let neighbour = of(target(2, 1));
    call(&pool, &neighbour, "/").await.unwrap();
    pool.retire(FunctionId(1), &[new.key]);
    tokio::time::sleep(10 * MS).await;
    let now = pool.snapshot();
    assert_eq!((now.busy, now.idle), (1, 1), "the busy one goes on, the neighbour's stays");
    assert_eq!(call(&pool, &new, "/").await.unwrap(), Start::Cold);
    drop(busy);
    tokio::time::sleep(10 * MS).await;
    assert_eq!((pool.snapshot().busy, pool.snapshot().idle), (0, 2));
    assert_eq!(call(&pool, &new, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_retired_key_get_a_sandbox_of_that_key() {
    let (driver, pool) = open(settings());
    let old = of(Target { max_instances: 1, ..target(1, 1) });
    let mut lease = pool.lease(&old).await.unwrap();
    let waiting = spawn_call(&pool, &old, "/");
    settle().await;
    pool.retire(FunctionId(1), &[]);
    exchange(&mut lease, "/").await.unwrap();
    drop(lease);
    assert_eq!(waiting.await.unwrap().unwrap(), Start::Warm);
    tokio::time::sleep(10 * MS).await;
    assert_eq!(pool.snapshot().idle, 0);
    assert!(driver.book().entries.iter().all(|entry| entry.loads[0].function.version == 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_environment_is_another_key() {
    let (driver, pool) = open(settings());
    let first = target(1, 1);
    let second = Target { key: TargetKey { revision: 2, ..first.key }, ..first.clone() };
    call(&pool, &of(first), "/").await.unwrap();
    assert_eq!(call(&pool, &of(second), "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}
