//! What a warm lease costs, printed and not asserted: `cargo test --release -p cloudbox-pool cost -- --nocapture`.

use std::sync::Arc;

use crate::fake::{FakeDriver, Script};
use cloudbox_pool::{Pool, Settings};
use tokio::time::Instant;

use crate::harness::*;

const ROUNDS: u32 = 200_000;

async fn rounds(pool: &Arc<Pool>, function: i64) {
    let target = of(target(function, 1));
    for _ in 0..ROUNDS {
        let mut lease = pool.lease(&target).await.expect("there is room");
        exchange(&mut lease, "/").await.expect("the fake answers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_leases_are_cheap() {
    let driver = FakeDriver::new(Script::default());
    let pool = Pool::open(Arc::new(driver.clone()), Settings { max_calls: u32::MAX, ..settings() });
    let target = of(target(1, 1));
    drop(pool.lease(&target).await.unwrap());
    let began = Instant::now();
    for _ in 0..ROUNDS {
        drop(pool.lease(&target).await.unwrap());
    }
    let lease_ns = began.elapsed().as_nanos() / u128::from(ROUNDS);
    let began = Instant::now();
    let both = [1, 2].map(|function| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { rounds(&pool, function).await })
    });
    for task in both {
        task.await.unwrap();
    }
    let pair_ns = began.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("lease and return: {lease_ns} ns; with a fake exchange, on two threads: {pair_ns} ns");
    assert_eq!(pool.snapshot().totals.starts, 2);
    finish(&driver, &pool).await;
}
