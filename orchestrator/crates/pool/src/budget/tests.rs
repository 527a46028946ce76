//! Permits, and what they return.

use super::*;
use cloudbox_types::FunctionId;

fn budget(memory_budget_mb: u64) -> Arc<Budget> {
    Budget::new(&Settings {
        memory_budget_mb,
        max_sandboxes: 3,
        max_starts_at_once: 2,
        ..Settings::default()
    })
}

const KEY: TargetKey = TargetKey { project: ProjectId(1), function: FunctionId(1), version: 1, revision: 1 };

#[test]
fn permits_return_what_they_hold() {
    let budget = budget(300);
    let mut first = budget.take(Some(KEY), 100).unwrap();
    let second = budget.take(None, 100).unwrap();
    assert_eq!(budget.take(None, 1).err(), Some(Short::Starts));
    first.stand();
    assert_eq!(budget.take(None, 101).err(), Some(Short::Room));
    assert_eq!(budget.of_key(&KEY), Need { memory_mb: 100, sandboxes: 1 });
    drop(second);
    first.drain();
    assert_eq!(budget.missing(Need { memory_mb: 300, sandboxes: 3 }), Need::default());
    assert!(!budget.has(Need { memory_mb: 300, sandboxes: 1 }));
    drop(first);
    assert!(budget.has(Need { memory_mb: 300, sandboxes: 3 }));
    assert_eq!(budget.of_project(KEY.project), Need::default());
}

#[test]
fn a_spares_permit_becomes_a_keys() {
    let budget = budget(300);
    let mut permit = budget.take(None, 128).unwrap();
    permit.stand();
    permit.assign(KEY, 200);
    assert_eq!(budget.of_project(KEY.project), Need { memory_mb: 200, sandboxes: 1 });
    assert_eq!(budget.totals().memory_mb, 200);
    drop(permit);
    assert_eq!(budget.totals().memory_mb, 0);
}

#[test]
fn beside_others_a_project_holds_its_share_at_most() {
    let settings = Settings {
        memory_budget_mb: 1000,
        max_sandboxes: 10,
        max_starts_at_once: 10,
        project_percent: 50,
        ..Settings::default()
    };
    let budget = Budget::new(&settings);
    let mut held = vec![budget.take(Some(KEY), 400).unwrap()];
    held.push(budget.take(Some(KEY), 200).expect("there is nobody else"));
    budget.share(KEY.project, true);
    budget.share(ProjectId(2), true);
    assert_eq!(budget.take(Some(KEY), 1).err(), Some(Short::Share));
    let other = TargetKey { project: ProjectId(2), ..KEY };
    let large = budget.take(Some(other), 300).unwrap();
    assert_eq!(budget.take(Some(other), 200).err(), Some(Short::Room), "there is no room at all");
    drop(large);
    drop(held.pop());
    assert_eq!(budget.take(Some(KEY), 101).err(), Some(Short::Share));
    let need = |memory_mb| Need { memory_mb, sandboxes: 1 };
    assert_eq!(budget.missing_of_share(KEY.project, need(150)), Need { memory_mb: 50, sandboxes: 0 });
    held[0].drain();
    assert_eq!(budget.missing_of_share(KEY.project, need(150)), Need::default());
    drop(held);
    assert!(budget.take(Some(KEY), 900).is_ok(), "its first one may be larger than the share");
    for _ in 0..5 {
        held_forever(&budget, other);
    }
    assert_eq!(budget.take(Some(other), 1).err(), Some(Short::Share), "it has half of all sandboxes");
}

/// A sandbox of nothing but a place.
fn held_forever(budget: &Arc<Budget>, key: TargetKey) {
    std::mem::forget(budget.take(Some(key), 1).unwrap());
}
