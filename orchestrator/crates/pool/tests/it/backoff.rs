//! Starts that fail, and sandboxes that keep dying.

use crate::fake::Outcome;
use cloudbox_pool::{LeaseError, Reason, Settings, Start, Target};
use cloudbox_sandbox::LaunchError;
use tokio::time::{Instant, sleep};

use crate::harness::*;

fn is_code(error: &LeaseError) -> bool {
    matches!(error, LeaseError::Launch(LaunchError::Code { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_is_the_answer_of_all_who_wait() {
    let (driver, pool) = open(settings());
    driver.load(1, Outcome::Code);
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let calls: Vec<_> = (0..20).map(|_| spawn_call(&pool, &target, "/")).collect();
    for call in calls {
        assert!(is_code(&call.await.unwrap().unwrap_err()));
    }
    assert_eq!(driver.book().entries.len(), 1);
    assert!(is_code(&pool.lease(&target).await.unwrap_err()), "while the next start waits, the same answer");
    assert_eq!(driver.book().entries.len(), 1);
    driver.rewrite(|script| script.loads.clear());
    sleep(110 * MS).await;
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_host_fails_one_call_and_the_others_get_the_next_start() {
    let (driver, pool) = open(settings());
    driver.rewrite(|script| script.creates = Outcome::Host);
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let calls: Vec<_> = (0..3).map(|_| spawn_call(&pool, &target, "/")).collect();
    sleep(80 * MS).await;
    driver.rewrite(|script| script.creates = Outcome::Good);
    let mut failed = 0;
    for call in calls {
        failed += usize::from(call.await.unwrap().is_err());
    }
    assert_eq!((failed, driver.book().entries.len()), (1, 2));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_while_it_loads_fails_one_call() {
    let (driver, pool) = open(settings());
    driver.load(1, Outcome::Killed);
    let target = of(Target { max_instances: 1, ..target(1, 1) });
    let calls: Vec<_> = (0..10).map(|_| spawn_call(&pool, &target, "/")).collect();
    // The first start is loading, and has its fate.
    sleep(95 * MS).await;
    driver.rewrite(|script| script.loads.clear());
    let mut failed = 0;
    for call in calls {
        failed += usize::from(call.await.unwrap().is_err());
    }
    assert_eq!((failed, driver.book().entries.len()), (1, 2));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_fails_the_start() {
    let (driver, pool) = open(settings());
    driver.rewrite(|script| script.creates = Outcome::Panic);
    let target = of(target(1, 1));
    assert!(matches!(pool.lease(&target).await.unwrap_err(), LeaseError::Launch(LaunchError::Fault(_))));
    driver.rewrite(|script| script.creates = Outcome::Good);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_slows_itself_down_and_no_neighbour() {
    let (driver, pool) = open(Settings { max_starts_at_once: 2, ..settings() });
    driver.load(1, Outcome::Exit);
    let (broken, healthy) = (of(target(1, 1)), of(target(2, 1)));
    call(&pool, &healthy, "/").await.unwrap();
    let until = Instant::now() + 60 * SECOND;
    let mut slowest = std::time::Duration::ZERO;
    while Instant::now() < until {
        drop(spawn_call(&pool, &broken, "/"));
        let began = Instant::now();
        assert_eq!(call(&pool, &healthy, "/").await.unwrap(), Start::Warm);
        slowest = slowest.max(began.elapsed());
    }
    // 0.1 + 0.2 + 0.4 … s between starts: 9 of them in the first minute, besides the healthy function's one.
    let starts = driver.book().entries.len();
    assert!((9..=12).contains(&starts), "{starts}");
    assert!(slowest <= 15 * MS, "{slowest:?}");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_always_dies_is_called_less_and_less() {
    let (driver, pool) = open(settings());
    let target = of(target(1, 1));
    let began = Instant::now();
    for _ in 0..5 {
        call(&pool, &target, "/exit").await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "the first few deaths cost nothing");
    let mut refused = None;
    for _ in 0..20 {
        if let Err(error) = call(&pool, &target, "/exit").await {
            refused = reason(&error);
            break;
        }
    }
    let (reason, retry_after_s) = refused.expect("at last the wait is longer than a call waits");
    assert_eq!(reason, Reason::BackOff);
    assert!((10..=30).contains(&retry_after_s), "{retry_after_s}");
    sleep(30 * SECOND).await;
    call(&pool, &target, "/").await.unwrap();
    call(&pool, &target, "/exit").await.unwrap();
    let began = Instant::now();
    call(&pool, &target, "/").await.unwrap();
    assert!(began.elapsed() < SECOND, "an answer forgives");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_warm_is_tried_again_by_itself() {
    let (driver, pool) = open(settings());
    driver.load(1, Outcome::Exit);
    pool.keep_warm(&of(Target { min_instances: 1, ..target(1, 1) }));
    sleep(5 * SECOND).await;
    let tried = driver.book().entries.len();
    assert!((3..=7).contains(&tried), "{tried}");
    driver.rewrite(|script| script.loads.clear());
    sleep(10 * SECOND).await;
    assert_eq!(pool.snapshot().idle, 1);
    finish(&driver, &pool).await;
}
