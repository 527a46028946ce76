//! Whatever happens in whatever order: the limits hold, nobody is stuck, and nothing is left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::{Entry, FakeDriver, Outcome};
use cloudbox_pool::{LeaseError, Pool, Settings, Start, Target, TargetKey};
use cloudbox_types::{FunctionId, ProjectId, Scale};
use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::harness::*;

const BUDGET_MB: u64 = 64 * 6;
const MAX_SANDBOXES: usize = 5;
const MAX_INSTANCES: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Call { function: i64, version: i64, path: &'static str },
    Cancel(usize),
    Hold { function: i64 },
    ReleaseAndCancel(usize),
    Retire { function: i64, keep: Option<i64> },
    KeepWarm { function: i64, count: u32 },
    Scale { function: i64, min: u32, max: u32 },
    Spares(u32),
    Loads { function: i64, outcome: Outcome },
    Creates(Outcome),
    Spoil,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Good),
        1 => Just(Outcome::Host),
        1 => Just(Outcome::Code),
        1 => Just(Outcome::Exit),
        1 => Just(Outcome::Panic),
    ];
    let path = prop_oneof![6 => Just("/"), 1 => Just("/exit"), 1 => Just("/dirty"), 1 => Just("/hang")];
    prop_oneof![
        12 => (1..5_i64, 1..3_i64, path).prop_map(|(function, version, path)| Step::Call { function, version, path }),
        3 => any::<usize>().prop_map(Step::Cancel),
        2 => (1..5_i64).prop_map(|function| Step::Hold { function }),
        2 => any::<usize>().prop_map(Step::ReleaseAndCancel),
        1 => (1..5_i64, prop::option::of(1..3_i64)).prop_map(|(function, keep)| Step::Retire { function, keep }),
        1 => (1..5_i64, 0..3_u32).prop_map(|(function, count)| Step::KeepWarm { function, count }),
        1 => (1..5_i64, 0..3_u32, 1..=MAX_INSTANCES).prop_map(|(function, min, max)| Step::Scale { function, min, max }),
        1 => (0..3_u32).prop_map(Step::Spares),
        1 => (1..5_i64, outcome.clone()).prop_map(|(function, outcome)| Step::Loads { function, outcome }),
        1 => outcome.prop_map(Step::Creates),
        1 => Just(Step::Spoil),
        6 => (0..400_u64).prop_map(Step::Wait),
        1 => (400..20_000_u64).prop_map(Step::Wait),
    ]
}

/// Functions 1 and 2 are of one project; even ones need twice the memory; calls of 3 and 4 share sandboxes.
fn any_target(function: i64, version: i64) -> Target {
    let memory_mb = if function % 2 == 0 { 128 } else { 64 };
    let target = Target {
        restore: None,
        key: TargetKey {
            project: ProjectId(function / 3),
            function: FunctionId(function),
            version,
            revision: 1,
        },
        launch: launch(function, version, memory_mb),
        min_instances: 0,
        max_instances: MAX_INSTANCES,
        is_root_shared: true,
        told_seats: Arc::default(),
    };
    shared(target, if function > 2 { 3 } else { 1 })
}

type Call = JoinHandle<Result<Start, LeaseError>>;

fn act(step: &Step, driver: &FakeDriver, pool: &Arc<Pool>, calls: &mut Vec<Call>) {
    match *step {
        Step::Call { function, version, path } => {
            calls.push(spawn_call(pool, &of(any_target(function, version)), path));
        }
        Step::Cancel(which) => {
            if !calls.is_empty() {
                let len = calls.len();
                calls.swap_remove(which % len).abort();
            }
        }
        Step::Retire { function, keep } => {
            let keep = keep.map(|version| any_target(function, version).key);
            pool.retire(FunctionId(function), keep.as_slice());
        }
        Step::KeepWarm { function, count } => {
            pool.keep_warm(&of(Target { min_instances: count, ..any_target(function, 1) }));
        }
        Step::Scale { function, min, max } => {
            pool.scale(FunctionId(function), Scale { min_instances: min, max_instances: max });
        }
        Step::Spares(count) => pool.set_spares(vec![spares(count)]),
        Step::Loads { function, outcome } => driver.load(function, outcome),
        Step::Creates(outcome) => driver.rewrite(|script| script.creates = outcome),
        Step::Spoil => driver.spoil_all(),
        Step::Hold { .. } | Step::ReleaseAndCancel(_) | Step::Wait(_) => {}
    }
}

fn check(driver: &FakeDriver) {
    driver.read(|book| {
        assert!(book.live_peak <= MAX_SANDBOXES, "{} sandboxes", book.live_peak);
        assert!(book.memory_peak_mb <= BUDGET_MB, "{} MB", book.memory_peak_mb);
        let mut of_key = HashMap::<_, u32>::new();
        // One that is shared and ends has its successor at once.
        let is_counted = |entry: &&Entry| entry.is_alive && (entry.is_clean || entry.sharing == 0);
        for entry in book.entries.iter().filter(is_counted) {
            for load in &entry.loads {
                *of_key.entry((load.function.id, load.function.version)).or_default() += 1;
            }
        }
        assert!(of_key.values().all(|count| *count <= MAX_INSTANCES), "{of_key:?}");
    });
}

async fn play(steps: Vec<Step>) {
    let (driver, pool) = open(Settings {
        memory_budget_mb: BUDGET_MB,
        max_sandboxes: 5,
        max_starts_at_once: 2,
        queue_len: 10,
        idle_timeout: 5 * SECOND,
        max_calls: 7,
        min_age: Duration::ZERO,
        max_age: 30 * SECOND,
        ..settings()
    });
    let mut calls = Vec::new();
    let mut held = Vec::new();
    for step in steps {
        if let Step::Hold { function } = step {
            // No longer than it takes to find an idle one; or it goes away in the queue.
            held.extend(
                timeout(MS, pool.lease(&of(any_target(function, 1)))).await.ok().and_then(Result::ok),
            );
        }
        if let Step::ReleaseAndCancel(which) = step {
            // The grant is sent to a call that may be gone before it looks.
            held.pop();
            act(&Step::Cancel(which), &driver, &pool, &mut calls);
        }
        if let Step::Wait(ms) = &step {
            sleep(Duration::from_millis(*ms)).await;
        } else {
            act(&step, &driver, &pool, &mut calls);
            tokio::task::yield_now().await;
        }
        check(&driver);
    }
    held.clear();
    driver.rewrite(|script| {
        script.loads.clear();
        script.creates = Outcome::Good;
    });
    // A call waits at most for the queue, its start and its own deadline.
    for call in calls {
        let done = timeout(60 * SECOND, call).await.expect("no call is stuck");
        drop(done.expect("no call panics"));
    }
    check(&driver);
    assert_eq!((pool.snapshot().queued, pool.snapshot().busy), (0, 0));
    sleep(60 * SECOND).await;
    for function in 1..5 {
        call(&pool, &of(any_target(function, 1)), "/").await.expect("everything recovers");
    }
    finish(&driver, &pool).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_keeps_the_accounts(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(steps));
    }
}
