//! Spares where idle sandboxes fill the budget: who ends for them, and for how long.

use std::sync::Arc;

use cloudbox_pool::{Pool, Settings, Start, Target};
use tokio::time::{Instant, sleep};

use crate::harness::*;

/// Room for `count` sandboxes of 64 MB, and for spares as much of it as starts ask for.
fn room_for(count: u64, held: u32) -> Settings {
    Settings { memory_budget_mb: 64 * count, spares: vec![spares(held)], ..settings() }
}

/// Of a runtime that has no spares.
fn other(function: i64) -> Arc<Target> {
    let mut target = target(function, 1);
    target.launch.rootfs.digest = "d2".to_owned();
    of(target)
}

/// Whether a call finds its function's sandbox; then long enough for a spare to come up.
async fn is_warm(pool: &Arc<Pool>, function: i64) -> bool {
    let start = call(pool, &of(target(function, 1)), "/").await.expect("there is room");
    sleep(SECOND).await;
    start == Start::Warm
}

/// Functions of another runtime have all the room, and no spare is left.
async fn fill(pool: &Arc<Pool>, functions: std::ops::RangeInclusive<i64>) {
    let mut held = Vec::new();
    for function in functions {
        held.push(pool.lease(&other(function)).await.expect("spares make room"));
    }
    assert_eq!(pool.snapshot().generic, 0);
    drop(held);
    settle().await;
}

fn counts(pool: &Pool) -> (u32, u32) {
    (pool.snapshot().idle, pool.snapshot().generic)
}

#[tokio::test(start_paused = true)]
async fn first_calls_find_a_spare_in_a_full_pool_too() {
    let (driver, pool) = open(room_for(4, 1));
    sleep(SECOND).await;
    for function in 1..=12 {
        let began = Instant::now();
        drop(pool.lease(&of(target(function, 1))).await.unwrap());
        assert_eq!(began.elapsed(), 10 * MS, "only the load is left to do");
        sleep(SECOND).await;
    }
    let totals = pool.snapshot().totals;
    assert_eq!((totals.spare_starts, totals.spare_misses), (12, 0));
    assert_eq!((counts(&pool), totals.evictions), ((3, 1), 9), "as many end as starts would have ended");
    assert!(is_warm(&pool, 12).await && is_warm(&pool, 10).await, "those used last stay");
    assert!(driver.book().memory_peak_mb <= 4 * 64);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_ends_for_a_spare_that_nobody_asked_for() {
    let (driver, pool) = open(room_for(3, 2));
    sleep(SECOND).await;
    fill(&pool, 1..=3).await;
    sleep(60 * SECOND).await;
    assert_eq!((counts(&pool), pool.snapshot().totals.evictions), ((3, 0), 2), "the spares alone ended");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_asked_for_has_the_room_before_one_that_is_not() {
    let mut others = spares(1);
    others.rootfs.digest = "d2".to_owned();
    others.program = None;
    let (driver, pool) = open(Settings { spares: vec![others, spares(1)], ..room_for(4, 1) });
    sleep(SECOND).await;
    fill(&pool, 1..=4).await;
    for function in 5..=8 {
        assert!(!is_warm(&pool, function).await);
        assert_eq!(counts(&pool), (3, 1), "nobody ends for the other kind");
    }
    let totals = pool.snapshot().totals;
    assert_eq!((totals.spare_starts, totals.spare_misses), (3, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_needs_all_the_room_has_it_again_soon() {
    for held in [1, 2, 4] {
        let (driver, pool) = open(room_for(5, held));
        for round in 0..20 {
            let mut cold = 0;
            for function in 1..=5 {
                cold += u32::from(!is_warm(&pool, function).await);
            }
            assert!(
                round % 10 < 4 || cold == 0,
                "{held} spares, round {round}: {cold} of five came back cold"
            );
            if round == 9 {
                // A function that is called once.
                assert!(!is_warm(&pool, 6).await);
            }
        }
        finish(&driver, &pool).await;
    }
}

/// Calls of any of `functions`, in an order that is always the same: how many were warm.
async fn warm_of(pool: &Arc<Pool>, functions: u64, calls: u32) -> u32 {
    let (mut seed, mut warm) = (1_u64, 0);
    for _ in 0..calls {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let function = i64::try_from((seed >> 33) % functions).expect("it is small");
        warm += u32::from(is_warm(pool, function).await);
    }
    warm
}

#[tokio::test(start_paused = true)]
async fn spares_cost_warm_sandboxes_little() {
    for functions in [9, 10, 11, 15, 30] {
        let mut found = Vec::new();
        for held in [0, 2] {
            let (driver, pool) = open(room_for(10, held));
            let warm = warm_of(&pool, functions, 1000).await;
            let totals = pool.snapshot().totals;
            found.push((warm, totals.starts - totals.spare_starts));
            finish(&driver, &pool).await;
        }
        let [without, with] = found[..] else { unreachable!() };
        assert!(with.0 * 10 >= without.0 * 9, "{functions} functions, of 1000 calls warm: {found:?}");
        assert!(with.1 * 2 <= without.1, "{functions} functions, whole starts: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_stay_warm_or_was_used_since_ends_for_no_spare() {
    let (driver, pool) = open(room_for(3, 1));
    pool.set_spares(Vec::new());
    pool.keep_warm(&of(Target { min_instances: 1, ..target(1, 1) }));
    let held = pool.lease(&of(target(2, 1))).await.unwrap();
    sleep(SECOND).await;
    pool.set_spares(vec![spares(1)]);
    sleep(SECOND).await;
    call(&pool, &of(target(3, 1)), "/").await.unwrap();
    sleep(60 * SECOND).await;
    assert_eq!((counts(&pool), pool.snapshot().totals.evictions), ((2, 0), 0));
    drop(held);
    sleep(60 * SECOND).await;
    assert_eq!((counts(&pool), pool.snapshot().totals.evictions), ((3, 0), 0));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_spare_ends_several_or_none() {
    for (large, ended) in [(192, 3), (320, 0)] {
        let (driver, pool) = open(Settings { spares: Vec::new(), max_learned_spares: 1, ..room_for(5, 0) });
        for function in 1..=5 {
            call(&pool, &of(Target { is_root_shared: false, ..target(function, 1) }), "/").await.unwrap();
        }
        let held = pool.lease(&of(Target { is_root_shared: false, ..target(5, 1) })).await.unwrap();
        let mut coming = target(6, 1);
        coming.launch = launch(6, 1, large);
        pool.foresee(&of(coming));
        sleep(60 * SECOND).await;
        assert_eq!(pool.snapshot().totals.evictions, ended);
        assert_eq!(counts(&pool), if ended > 0 { (1, 1) } else { (4, 0) });
        drop(held);
        finish(&driver, &pool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_deployed_into_a_full_pool_finds_a_spare() {
    let (driver, pool) = open(room_for(2, 1));
    sleep(SECOND).await;
    fill(&pool, 1..=2).await;
    for function in [3, 4] {
        pool.foresee(&of(target(function, 1)));
        sleep(SECOND).await;
        assert_eq!(counts(&pool), (1, 1), "one for both");
    }
    assert!(!is_warm(&pool, 3).await);
    assert_eq!(pool.snapshot().totals.spare_starts, 1);
    finish(&driver, &pool).await;
}
