//! Projects beside each other: what each may hold, and who is served when all want more than there is.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_pool::{Instances, Pool, Settings, Start, Target, TargetKey};
use cloudbox_types::{FunctionId, ProjectId};
use tokio::time::{Instant, sleep, timeout};

use crate::harness::*;

/// Room for `count` sandboxes of 64 MB, of which a project beside others may hold 80 %.
fn shared_room(count: u64) -> Settings {
    Settings {
        memory_budget_mb: 64 * count,
        project_percent: 80,
        queue_len: 1000,
        queue_wait: 600 * SECOND,
        ..settings()
    }
}

/// A function of a project, with as many instances as there is room for.
fn of_project(project: i64, function: i64) -> Target {
    let target = target(function, 1);
    Target { key: TargetKey { project: ProjectId(project), ..target.key }, max_instances: 100, ..target }
}

/// There are several projects.
fn share(pool: &Pool) {
    (1..=3).for_each(|project| pool.share(ProjectId(project), true));
}

fn instances(pool: &Pool, function: i64) -> Instances {
    pool.instances(FunctionId(function))[0]
}

/// Calls that come as soon as the one before has ended, and go on until they are dropped.
fn flood(pool: &Arc<Pool>, target: &Arc<Target>, callers: usize) -> tokio::task::JoinSet<()> {
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (pool, target) = (Arc::clone(pool), Arc::clone(target));
        flood.spawn(async move {
            loop {
                drop(call(&pool, &target, "/").await);
            }
        });
    }
    flood
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_end_leave_a_part_for_other_projects() {
    let (driver, pool) = open(shared_room(10));
    share(&pool);
    driver.rewrite(|script| script.exchange = 3600 * SECOND);
    let (greedy, modest) = (of(of_project(1, 1)), of(of_project(2, 2)));
    let flood = flood(&pool, &greedy, 40);
    sleep(10 * SECOND).await;
    assert_eq!((instances(&pool, 1).busy, instances(&pool, 1).queued), (8, 32));
    driver.rewrite(|script| script.exchange = 10 * MS);
    let began = Instant::now();
    assert_eq!(call(&pool, &modest, "/").await.unwrap(), Start::Cold);
    assert!(began.elapsed() < SECOND, "nobody had to end for it");
    assert_eq!(instances(&pool, 1).busy, 8);
    drop(flood);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_project_alone_has_all_of_it() {
    let (driver, pool) = open(shared_room(10));
    driver.rewrite(|script| script.exchange = 3600 * SECOND);
    pool.share(ProjectId(1), true);
    pool.share(ProjectId(2), true);
    let flood = flood(&pool, &of(of_project(1, 1)), 40);
    sleep(10 * SECOND).await;
    assert_eq!(instances(&pool, 1).busy, 8);
    pool.share(ProjectId(2), false);
    sleep(10 * SECOND).await;
    assert_eq!(instances(&pool, 1).busy, 10);
    drop(flood);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn at_its_share_a_project_gives_up_its_own_idle_ones() {
    let (driver, pool) = open(shared_room(10));
    share(&pool);
    let others = of(of_project(2, 2));
    call(&pool, &others, "/").await.unwrap();
    let held: Vec<_> = hold(&pool, &of(of_project(1, 1)), 8).await;
    drop(held);
    assert_eq!((instances(&pool, 1).idle, instances(&pool, 2).idle), (8, 1));
    assert_eq!(call(&pool, &of(of_project(1, 3)), "/").await.unwrap(), Start::Cold);
    assert_eq!((instances(&pool, 1).idle, instances(&pool, 2).idle), (7, 1), "though 2 is idle for longer");
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn functions_of_a_project_at_its_share_take_turns() {
    let (driver, pool) = open(shared_room(5));
    share(&pool);
    let flood = flood(&pool, &of(of_project(1, 1)), 40);
    sleep(10 * SECOND).await;
    assert_eq!(instances(&pool, 1).busy, 4);
    let second = of(of_project(1, 2));
    timeout(5 * SECOND, call(&pool, &second, "/")).await.expect("one of the first yields").unwrap();
    drop(flood);
    finish(&driver, &pool).await;
}

/// Leases that are held at once.
async fn hold(pool: &Arc<Pool>, target: &Arc<Target>, count: usize) -> Vec<cloudbox_pool::Lease> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(pool.lease(target).await.expect("there is room"));
    }
    held
}

#[tokio::test(start_paused = true)]
async fn a_large_one_finds_room_among_many_small_ones() {
    let (driver, pool) = open(Settings { project_percent: 100, ..shared_room(6) });
    share(&pool);
    let flood = flood(&pool, &of(of_project(1, 1)), 60);
    sleep(10 * SECOND).await;
    assert_eq!(instances(&pool, 1).busy, 6);
    let mut large = of_project(2, 2);
    large.launch = launch(2, 1, 64 * 4);
    let large = of(large);
    for round in 0..3 {
        let served = timeout(10 * SECOND, call(&pool, &large, "/")).await;
        served.unwrap_or_else(|_| panic!("round {round}")).unwrap();
    }
    drop(flood);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_a_full_house_waits_for_one_call_and_not_for_the_queue() {
    let (driver, pool) = open(Settings { project_percent: 100, ..shared_room(4) });
    share(&pool);
    driver.rewrite(|script| script.exchange = 3 * SECOND);
    let mut floods = Vec::new();
    for project in 1..=2 {
        floods.push(flood(&pool, &of(of_project(project, project)), 200));
    }
    sleep(60 * SECOND).await;
    assert_eq!((instances(&pool, 1).busy, instances(&pool, 2).busy), (2, 2));
    let began = Instant::now();
    call(&pool, &of(of_project(3, 3)), "/").await.unwrap();
    // A call of another one to its end, a start, its own call.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(floods);
    finish(&driver, &pool).await;
}
