//! Roots that are removed while the pool makes sandboxes from them: each start has them again, whoever it is for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cloudbox_pool::{LeaseError, Restore, Restoring, Start, Target};
use cloudbox_sandbox::LaunchError;
use tokio::time::sleep;

use crate::fake::{FakeDriver, Outcome};
use crate::harness::*;

/// Puts the root back as often as it is asked, but for the first times.
struct Root {
    driver: FakeDriver,
    in_vain: u32,
    asked: AtomicU32,
}

impl Root {
    fn of(driver: &FakeDriver, in_vain: u32) -> Arc<Self> {
        Arc::new(Self { driver: driver.clone(), in_vain, asked: AtomicU32::new(0) })
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Root")
    }
}

impl Restore for Root {
    fn restore(&self) -> Restoring<'_> {
        Box::pin(async {
            sleep(20 * MS).await;
            if self.asked.fetch_add(1, Ordering::Relaxed) < self.in_vain {
                return Err(LaunchError::Absent("it is being made".to_owned()));
            }
            self.driver.rewrite(|script| script.creates = Outcome::Good);
            Ok(())
        })
    }
}

fn without_root(driver: &FakeDriver) {
    driver.rewrite(|script| script.creates = Outcome::NoRoot);
}

#[tokio::test(start_paused = true)]
async fn a_calls_start_has_the_root_again() {
    let (driver, pool) = open(settings());
    let root = Root::of(&driver, 0);
    let target = of(Target { restore: Some(Arc::clone(&root) as _), ..target(1, 1) });
    without_root(&driver);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Warm);
    assert_eq!(root.asked(), 1);
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_warm_has_its_root_again_without_a_call() {
    let (driver, pool) = open(settings());
    let root = Root::of(&driver, 0);
    let target = of(Target { min_instances: 1, restore: Some(Arc::clone(&root) as _), ..target(1, 1) });
    pool.keep_warm(&target);
    sleep(1_000 * MS).await;
    assert_eq!((pool.snapshot().idle, root.asked()), (1, 0));
    without_root(&driver);
    // The sandbox ends, and another one takes its place.
    assert_eq!(call(&pool, &target, "/exit").await.unwrap(), Start::Warm);
    sleep(1_000 * MS).await;
    assert_eq!((pool.snapshot().idle, root.asked()), (1, 1));
    finish(&driver, &pool).await;
}

#[tokio::test(start_paused = true)]
async fn a_root_that_cant_be_had_is_the_calls_answer() {
    let (driver, pool) = open(settings());
    let root = Root::of(&driver, 1);
    let target = of(Target { restore: Some(Arc::clone(&root) as _), ..target(1, 1) });
    without_root(&driver);
    let refused = pool.lease(&target).await.unwrap_err();
    assert!(
        matches!(&refused, LeaseError::Launch(LaunchError::Absent(why)) if why == "it is being made"),
        "{refused:?}"
    );
    assert!(pool.lease(&target).await.is_err(), "while the next start waits, the same answer");
    sleep(200 * MS).await;
    assert_eq!(call(&pool, &target, "/").await.unwrap(), Start::Cold);
    assert_eq!(root.asked(), 2);
    finish(&driver, &pool).await;
}
