//! The budget: what makes room, in which order, and for whom.

use std::sync::Arc;

use cloudbox_pool::{Pool, Settings, Start, Target, TargetKey};
use cloudbox_types::ProjectId;
use tokio::time::{Instant, sleep};

use crate::harness::*;

/// Room for `count` sandboxes of 64 MB.
fn room_for(count: u64) -> Settings {
    Settings { memory_budget_mb: 64 * count, queue_len: 1000, ..settings() }
}

async fn is_warm(pool: &Arc<Pool>, function: i64) -> bool {
    call(pool, &of(target(function, 1)), "/").await.expect("there is room") == Start::Warm
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_idle_one_goes_first() {
    let (driver, pool) = open(room_for(3));
    for function in [1, 2, 3, 1] {
        call(&pool, &of(target(function, 1)), "/").await.unwrap();
    }
    assert!(!is_warm(&pool, 4).await);
    assert!(is_warm(&pool, 3).await && is_warm(&pool, 1).await, "2 was used least recently");
    assert_eq!(pool.snapshot().totals.evictions, 1);
    assert!(driver.book().memory_peak_mb <= 3 * 64);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn then_spares_and_then_what_is_to_stay_warm() {
    let (driver, pool) = open(room_for(3));
    let warm = of(Target { min_instances: 1, ..target(1, 1) });
    pool.keep_warm(&warm);
    sleep(SECOND).await;
    pool.set_spares(vec![spares(1)]);
    sleep(SECOND).await;
    let python = |function| {
        let mut target = target(function, 1);
        target.launch.rootfs.digest = "d2".to_owned();
        of(target)
    };
    call(&pool, &python(2), "/").await.unwrap();
    let count = |pool: &Pool| (pool.snapshot().idle, pool.snapshot().generic);
    assert_eq!(count(&pool), (2, 1));
    let held = pool.lease(&python(3)).await.unwrap();
    assert_eq!(count(&pool), (1, 1), "2 is idle and not to stay");
    let more = pool.lease(&python(4)).await.unwrap();
    assert_eq!(count(&pool), (1, 0), "then the spare");
    let last = pool.lease(&python(5)).await.unwrap();
    assert_eq!(count(&pool), (0, 0), "at last what is to stay warm");
    drop((held, more, last));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ended_where_that_would_not_be_enough() {
    let (driver, pool) = open(Settings { queue_wait: SECOND, ..room_for(3) });
    call(&pool, &of(target(1, 1)), "/").await.unwrap();
    let busy = [pool.lease(&of(target(2, 1))).await.unwrap(), pool.lease(&of(target(3, 1))).await.unwrap()];
    let mut large = target(4, 1);
    large.launch = launch(4, 1, 128);
    assert!(pool.lease(&of(large)).await.is_err());
    assert!(is_warm(&pool, 1).await);
    drop(busy);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_one_gets_room_from_several_small_ones() {
    let (driver, pool) = open(room_for(4));
    for function in 1..=4 {
        call(&pool, &of(target(function, 1)), "/").await.unwrap();
    }
    let mut large = target(5, 1);
    large.launch = launch(5, 1, 192);
    call(&pool, &of(large), "/").await.unwrap();
    assert_eq!(pool.snapshot().totals.evictions, 3);
    assert!(is_warm(&pool, 4).await);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_to_stay_warm_ends_nobody_and_holds_up_no_spares() {
    let (driver, pool) = open(room_for(2));
    call(&pool, &of(target(1, 1)), "/").await.unwrap();
    let mut large = target(2, 1);
    large.launch = launch(2, 1, 128);
    pool.keep_warm(&of(Target { min_instances: 1, ..large }));
    pool.set_spares(vec![spares(1)]);
    sleep(3 * SECOND).await;
    assert_eq!((pool.snapshot().idle, pool.snapshot().generic), (1, 1));
    assert_eq!(pool.snapshot().totals.evictions, 0);
    finish(&driver, &pool).await;
}

/// Calls without end, as many at once as `callers`; how many were answered.
async fn keep_calling(pool: &Arc<Pool>, target: &Arc<Target>, callers: usize, until: Instant) -> u32 {
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (pool, target) = (Arc::clone(pool), Arc::clone(target));
            tokio::spawn(async move {
                let mut answered = 0;
                while Instant::now() < until {
                    answered += u32::from(call(&pool, &target, "/").await.is_ok());
                }
                answered
            })
        })
        .collect();
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.expect("no caller panics");
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn projects_share_a_budget_that_is_short() {
    for room in [1, 4] {
        let (driver, pool) = open(room_for(room));
        let (greedy, modest) = (of(target(1, 1)), of(target(2, 1)));
        let until = Instant::now() + 60 * SECOND;
        let loud = {
            let (pool, greedy) = (Arc::clone(&pool), Arc::clone(&greedy));
            tokio::spawn(async move { keep_calling(&pool, &greedy, 40, until).await })
        };
        sleep(SECOND).await;
        let quiet = keep_calling(&pool, &modest, 4, until).await;
        let loud = loud.await.unwrap();
        assert!(quiet * 2 >= loud, "room for {room}: {quiet} answers against {loud}");
        finish(&driver, &pool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn functions_of_one_project_share_too() {
    let (driver, pool) = open(room_for(2));
    let of_project = |function| {
        let target = target(function, 1);
        of(Target { key: TargetKey { project: ProjectId(1), ..target.key }, ..target })
    };
    let until = Instant::now() + 30 * SECOND;
    let loud = {
        let (pool, greedy) = (Arc::clone(&pool), of_project(1));
        tokio::spawn(async move { keep_calling(&pool, &greedy, 40, until).await })
    };
    let quiet = keep_calling(&pool, &of_project(2), 4, until).await;
    assert!(quiet * 2 >= loud.await.unwrap());
    finish(&driver, &pool).await;
}
