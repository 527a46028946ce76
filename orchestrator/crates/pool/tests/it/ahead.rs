//! Sandboxes that serve one call each, held ready with their code loaded.

use std::sync::Arc;

use crate::fake::Outcome;
use cloudbox_pool::{Pool, Settings, Start, Target};
use cloudbox_sandbox::{AfterCall, Launch};
use tokio::time::{Instant, sleep};

use crate::harness::*;

fn preparing(max_prepared: u32) -> Settings {
    Settings { max_prepared, ..settings() }
}

fn of_one_call(function: i64, version: i64) -> Target {
    let plain = target(function, version);
    Target { launch: Launch { after_call: AfterCall::End, ..plain.launch.clone() }, ..plain }
}

async fn calls_at_once(pool: &Arc<Pool>, target: &Arc<Target>, count: usize) {
    let calls: Vec<_> = (0..count).map(|_| spawn_call(pool, target, "/")).collect();
    for call in calls {
        call.await.expect("no call panics").expect("each is answered");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_first_call_each_finds_one_ready_and_none_serves_twice() {
    let (driver, pool) = open(preparing(4));
    let target = of(of_one_call(1, 1));
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    for _ in 0..5 {
        sleep(SECOND).await;
        assert_eq!((pool.snapshot().prepared, pool.snapshot().idle), (1, 1));
        let began = Instant::now();
        let mut lease = pool.lease(&target).await.unwrap();
        assert_eq!((lease.start(), began.elapsed()), (Start::Warm, std::time::Duration::ZERO));
        assert_eq!(lease.take_load_logs().unwrap().into_text(), "loading\n", "each has its own");
        exchange(&mut lease, "/").await.unwrap();
    }
    let totals = pool.snapshot().totals;
    assert_eq!((totals.prepared_leases, totals.prepared_misses, totals.starts), (5, 1, 7));
    assert!(driver.book().entries.iter().all(|entry| entry.answered <= 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn as_many_are_held_as_calls_came_at_once_up_to_the_bound() {
    for (bound, held) in [(3, 3), (8, 5)] {
        let (driver, pool) = open(preparing(bound));
        let target = of(of_one_call(1, 1));
        calls_at_once(&pool, &target, 5).await;
        sleep(10 * SECOND).await;
        assert_eq!(pool.snapshot().prepared, held);
        finish(&driver, &pool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_given_up() {
    let (driver, pool) = open(Settings { idle_timeout: 60 * SECOND, ..preparing(4) });
    let target = of(of_one_call(1, 1));
    calls_at_once(&pool, &target, 4).await;
    // One call now and then takes one of the four; the others go.
    for _ in 0..8 {
        sleep(20 * SECOND).await;
        assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    }
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().prepared, 1);
    sleep(200 * SECOND).await;
    assert_eq!((pool.snapshot().prepared, driver.book().live), (0, 0));
    let started = pool.snapshot().totals.starts;
    sleep(1000 * SECOND).await;
    assert_eq!(pool.snapshot().totals.starts, started, "and none is made any more");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_the_version_counts_them() {
    let (driver, pool) = open(preparing(4));
    let target = of(Target { max_instances: 2, ..of_one_call(1, 1) });
    calls_at_once(&pool, &target, 6).await;
    sleep(10 * SECOND).await;
    assert_eq!(pool.snapshot().prepared, 2);
    assert_eq!(driver.book().live_peak, 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_version_or_other_settings_end_them() {
    let (driver, pool) = open(preparing(4));
    let old = of(of_one_call(1, 1));
    call(&pool, &old, "/").await.unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().prepared, 1);
    let mut changed = of_one_call(1, 1);
    changed.key.revision = 2;
    let changed = of(changed);
    // One is on its way when it happens.
    drop(pool.lease(&old).await.unwrap());
    let lease = pool.lease(&old).await.unwrap();
    pool.retire(changed.key.function, &[changed.key]);
    drop(lease);
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().prepared, driver.book().live), (0, 0));
    assert_eq!(call(&pool, &changed, "/").await.unwrap(), Start::Cold);
    sleep(SECOND).await;
    assert_eq!(call(&pool, &changed, "/").await.unwrap(), Start::Warm);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn they_make_room_for_calls_and_take_none_from_them() {
    // Room for three sandboxes.
    let (driver, pool) = open(Settings { memory_budget_mb: 192, ..preparing(4) });
    let (once, other) = (of(of_one_call(1, 1)), of(target(2, 1)));
    calls_at_once(&pool, &once, 3).await;
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().prepared, 3);
    let leases = [pool.lease(&other).await.unwrap(), pool.lease(&other).await.unwrap()];
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().prepared, pool.snapshot().busy), (1, 2));
    for mut lease in leases {
        exchange(&mut lease, "/").await.unwrap();
    }
    sleep(5 * SECOND).await;
    let now = pool.snapshot();
    assert_eq!((now.prepared, now.idle), (1, 3), "warm ones of others stay");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_have_the_spares_and_the_starts() {
    let settings = Settings { spares: vec![spares(1)], max_starts_at_once: 4, cores: 2, ..preparing(4) };
    let (driver, pool) = open(settings);
    sleep(SECOND).await;
    let target = of(of_one_call(1, 1));
    call(&pool, &target, "/").await.unwrap();
    sleep(SECOND).await;
    let totals = pool.snapshot().totals;
    assert_eq!((totals.starts, totals.spare_starts), (2, 1), "the one ahead is made from nothing");
    assert_eq!((pool.snapshot().generic, pool.snapshot().prepared), (1, 1));
    driver.rewrite(|script| script.create = 10 * SECOND);
    calls_at_once(&pool, &target, 2).await;
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().starting, 1, "one at a time on two cores");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn code_that_fails_is_not_tried_ahead_again() {
    let (driver, pool) = open(preparing(4));
    let target = of(of_one_call(1, 1));
    call(&pool, &target, "/").await.unwrap();
    driver.load(1, Outcome::Code);
    sleep(SECOND).await;
    let failed = pool.snapshot().totals.failed_starts;
    assert_eq!((failed, pool.snapshot().prepared), (1, 0));
    sleep(600 * SECOND).await;
    assert_eq!(pool.snapshot().totals.failed_starts, failed);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_while_it_waited_is_passed_over() {
    let (driver, pool) = open(preparing(4));
    let target = of(of_one_call(1, 1));
    call(&pool, &target, "/").await.unwrap();
    sleep(20 * MS).await;
    sleep(SECOND).await;
    driver.spoil_all();
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn none_is_held_for_other_functions_nor_where_none_may_be() {
    let (driver, pool) = open(preparing(4));
    call(&pool, &of(target(1, 1)), "/").await.unwrap();
    let inline = cloudbox_types::FunctionId::FIRST_INLINE.0 + 7;
    call(&pool, &of(of_one_call(inline, 1)), "/").await.unwrap();
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().prepared, driver.book().live), (0, 1));
    finish(&driver, &pool).await;
    let (driver, pool) = open(preparing(0));
    call(&pool, &of(of_one_call(1, 1)), "/").await.unwrap();
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().prepared, driver.book().live), (0, 0));
    finish(&driver, &pool).await;
}
