//! Generic spares: used once, refilled, chosen by what can be loaded into them.

use crate::fake::Outcome;
use cloudbox_pool::{LeaseError, Settings, SpareSpec, Start, Target};
use cloudbox_sandbox::LaunchError;
use tokio::time::{Instant, sleep};

use crate::harness::*;

fn with_spares(count: u32) -> Settings {
    Settings { spares: vec![spares(count)], ..settings() }
}

/// With a spare for compiled functions.
fn with_a_bare_spare() -> Settings {
    Settings { spares: vec![SpareSpec { program: None, ..spares(1) }], ..settings() }
}

/// A version whose program is part of its code.
fn compiled(function: i64) -> Target {
    let mut target = target(function, 1);
    target.launch.starts_before_code = false;
    target
}

#[tokio::test(start_paused = true)]
async fn a_cold_call_takes_a_spare_which_is_used_once_and_refilled() {
    let (driver, pool) = open(with_spares(2));
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 2);
    let mut launches = Vec::new();
    for function in 1..=3 {
        let began = Instant::now();
        drop(pool.lease(&of(target(function, 1))).await.unwrap());
        launches.push(began.elapsed().as_millis());
    }
    assert_eq!(launches[..2], [10, 10], "only the load is left to do");
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 2);
    let totals = pool.snapshot().totals;
    assert_eq!((totals.starts, totals.spare_starts, totals.spare_misses), (3, 2, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_spare_is_started_when_the_call_that_took_one_has_its_answer() {
    let (driver, pool) = open(with_spares(2));
    sleep(SECOND).await;
    let lease = pool.lease(&of(target(1, 1))).await.unwrap();
    assert_eq!((pool.snapshot().generic, pool.snapshot().starting), (1, 0));
    sleep(8 * MS).await;
    drop(lease);
    assert_eq!(pool.snapshot().starting, 0);
    // Another call doesn't put it off.
    drop(pool.lease(&of(target(2, 1))).await.unwrap());
    sleep(5 * MS).await;
    assert_eq!((pool.snapshot().generic, pool.snapshot().starting), (0, 2));
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_spare_takes_the_limits_of_what_it_is_bound_to() {
    let (driver, pool) = open(with_spares(1));
    sleep(SECOND).await;
    let mut large = target(1, 1);
    large.launch = launch(1, 1, 512);
    let lease = pool.lease(&of(large)).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().memory_mb, 512 + 64);
    assert_eq!(driver.book().memory_mb, 512 + 64);
    drop(lease);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn only_what_suits_is_taken() {
    let (driver, pool) = open(with_spares(1));
    sleep(SECOND).await;
    let mut other_root = target(1, 1);
    other_root.launch.rootfs.digest = "d2".to_owned();
    let mut other_flags = target(2, 1);
    other_flags.launch.program.argv.push("--max-old-space-size=96".to_owned());
    for target in [other_root, other_flags, compiled(3)] {
        drop(pool.lease(&of(target)).await.unwrap());
    }
    assert_eq!(pool.snapshot().totals.spare_starts, 0);
    assert_eq!(pool.snapshot().generic, 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_bare_spare_suits_a_compiled_function() {
    let (driver, pool) = open(with_a_bare_spare());
    sleep(SECOND).await;
    let compiled = compiled(1);
    assert!(driver.read(|book| book.entries[0].is_armed), "a process waits for the program");
    drop(pool.lease(&of(compiled)).await.unwrap());
    assert_eq!(pool.snapshot().totals.spare_starts, 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_process_that_waited_is_gone_a_fresh_sandbox_is_made() {
    let (driver, pool) = open(with_a_bare_spare());
    sleep(SECOND).await;
    driver.rewrite(|script| script.starts_of_armed = Outcome::Host);
    let compiled = compiled(1);
    call(&pool, &of(compiled), "/").await.unwrap();
    assert!(
        driver.read(|book| !book.entries[0].is_alive && book.entries.iter().any(|entry| entry.answered == 1))
    );
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_ended_is_passed_over() {
    let (driver, pool) = open(with_spares(2));
    sleep(SECOND).await;
    driver.spoil_all();
    let mut lease = pool.lease(&of(target(1, 1))).await.unwrap();
    exchange(&mut lease, "/").await.unwrap();
    drop(lease);
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 2);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn where_the_host_cannot_bind_a_spare_the_call_gets_the_fresh_ones_error() {
    let (driver, pool) = open(with_spares(1));
    sleep(SECOND).await;
    driver.rewrite(|script| script.binds = Outcome::Host);
    let error = pool.lease(&of(target(1, 1))).await.unwrap_err();
    assert!(matches!(error, LeaseError::Launch(LaunchError::Fault(_))));
    driver.rewrite(|script| script.binds = Outcome::Good);
    call(&pool, &of(target(2, 1)), "/").await.unwrap();
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_is_killed_while_it_loads_is_replaced_by_a_fresh_one() {
    let (driver, pool) = open(with_spares(1));
    sleep(SECOND).await;
    driver.load(1, Outcome::Killed);
    let waiting = spawn_call(&pool, &of(target(1, 1)), "/");
    sleep(5 * MS).await;
    // The spare is loading, and has its fate; the fresh one loads much later.
    assert!(driver.book().entries.iter().any(|entry| entry.loads.len() == 1));
    driver.rewrite(|script| script.loads.clear());
    assert_eq!(waiting.await.unwrap().unwrap(), Start::Cold);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn code_that_fails_in_a_spare_is_not_tried_again() {
    let (driver, pool) = open(with_spares(1));
    sleep(SECOND).await;
    driver.load(1, Outcome::Code);
    let error = pool.lease(&of(target(1, 1))).await.unwrap_err();
    assert!(matches!(error, LeaseError::Launch(LaunchError::Code { .. })));
    let loads: usize = driver.book().entries.iter().map(|entry| entry.loads.len()).sum();
    assert_eq!(loads, 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn changed_wishes_end_what_is_not_wanted() {
    let (driver, pool) = open(with_spares(3));
    sleep(SECOND).await;
    let made = driver.book().entries.len();
    pool.set_spares(vec![spares(2)]);
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().generic, driver.book().entries.len()), (2, made), "those of the kind stay");
    let mut other = spares(1);
    other.rootfs.digest = "d2".to_owned();
    pool.set_spares(vec![other]);
    sleep(SECOND).await;
    assert_eq!((pool.snapshot().generic, driver.book().live), (1, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn spares_that_do_not_start_are_tried_less_and_less() {
    let (driver, pool) = open(settings());
    driver.rewrite(|script| script.creates = Outcome::Host);
    pool.set_spares(vec![spares(4)]);
    sleep(10 * SECOND).await;
    let tried = driver.book().entries.len();
    assert!(tried <= 4 * 10, "{tried}");
    driver.rewrite(|script| script.creates = Outcome::Good);
    sleep(30 * SECOND).await;
    assert_eq!(pool.snapshot().generic, 4);
    finish(&driver, &pool).await;
}

fn learning(most: u32) -> Settings {
    Settings { max_learned_spares: most, ..settings() }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_nobody_has_set_is_held_from_its_first_start_on() {
    let (driver, pool) = open(learning(2));
    drop(pool.lease(&of(target(1, 1))).await.unwrap());
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 1);
    let began = Instant::now();
    drop(pool.lease(&of(target(2, 1))).await.unwrap());
    assert_eq!(began.elapsed().as_millis(), 10, "only the load is left to do");
    let totals = pool.snapshot().totals;
    assert_eq!((totals.spare_starts, totals.spare_misses), (1, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn starts_that_find_none_raise_the_number_up_to_the_most() {
    let (driver, pool) = open(learning(3));
    for burst in [2, 4, 6] {
        let leases: Vec<_> = (0..burst)
            .map(|function| {
                let (pool, target) = (std::sync::Arc::clone(&pool), of(target(10 * burst + function, 1)));
                tokio::spawn(async move { drop(pool.lease(&target).await.unwrap()) })
            })
            .collect();
        for lease in leases {
            lease.await.unwrap();
        }
        sleep(SECOND).await;
    }
    assert_eq!(pool.snapshot().generic, 3);
    // Nobody asks any more.
    sleep(4000 * SECOND).await;
    assert_eq!((pool.snapshot().generic, driver.book().live), (0, 0));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_going_to_be_called_finds_a_spare() {
    let (driver, pool) = open(learning(1));
    pool.foresee(&of(target(1, 1)));
    pool.foresee(&of(target(2, 1)));
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 1);
    drop(pool.lease(&of(target(1, 1))).await.unwrap());
    assert_eq!(pool.snapshot().totals.spare_starts, 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn of_many_kinds_the_ones_asked_for_last_are_held() {
    let (driver, pool) = open(learning(1));
    for kind in 0..20 {
        let mut target = target(kind, 1);
        target.launch.rootfs.digest = format!("d{kind}");
        drop(pool.lease(&of(target)).await.unwrap());
        sleep(SECOND).await;
    }
    assert_eq!(pool.snapshot().generic, 16);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_gone_has_no_spares_and_one_of_a_single_function_never() {
    let (driver, pool) = open(learning(1));
    let own = Target { is_root_shared: false, ..target(1, 1) };
    drop(pool.lease(&of(own)).await.unwrap());
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 0);
    pool.foresee(&of(target(2, 1)));
    sleep(SECOND).await;
    pool.retain_roots(&["d1".to_owned()].into());
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 1);
    pool.retain_roots(&["d2".to_owned()].into());
    sleep(SECOND).await;
    assert_eq!(pool.snapshot().generic, 0);
    finish(&driver, &pool).await;
}
