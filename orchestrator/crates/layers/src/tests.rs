//! What findings become: layers, and a refusal that names the layer and the remedy.

use super::*;

fn outcome(missing: &[&str]) -> Outcome {
    let finding = |name: &str| {
        let is_active = !missing.contains(&name);
        (name.to_owned(), Finding { name: name.to_owned(), is_active, detail: format!("{name} was seen") })
    };
    let findings = expected::FROM_INSIDE.iter().map(|expected| finding(expected.name)).collect();
    Outcome { findings, end: "it broke off".to_owned(), is_ended_by_memory: false, frozen: Ok(()) }
}

fn refusal(outcome: Outcome) -> String {
    refuse_weak(&outcome.layers(&[], true), false).unwrap_err().to_string()
}

#[test]
fn what_holds_is_listed_and_accepted() {
    let layers = outcome(&[]).layers(&[], true);
    assert!(layers.iter().all(Layer::is_active));
    refuse_weak(&layers, false).unwrap();
}

#[test]
fn an_optional_layer_is_listed_with_its_remedy() {
    let layers = outcome(&["landlock"]).layers(&[], true);
    refuse_weak(&layers, false).unwrap();
    let landlock = layers.iter().find(|layer| layer.name == "landlock").unwrap();
    assert!(!landlock.is_active() && landlock.detail.contains("lsm="), "{landlock:?}");
}

#[test]
fn a_mandatory_layer_is_refused_by_name_unless_weakness_is_allowed() {
    for name in ["seccomp", "network_namespace", "capabilities", "cgroup_pids"] {
        let refused = refusal(outcome(&[name]));
        assert!(refused.contains(name) && refused.contains("was seen;"), "{refused}");
        refuse_weak(&outcome(&[name]).layers(&[], true), true).unwrap();
    }
}

#[test]
fn an_exception_is_listed_and_not_refused() {
    let layers = outcome(&["user_namespace"]).layers(&[("user_namespace", "shared")], true);
    refuse_weak(&layers, false).unwrap();
    let excepted = layers.iter().find(|layer| layer.name == "user_namespace").unwrap();
    assert!(!excepted.is_active() && excepted.detail == "shared", "{excepted:?}");
}

#[test]
fn what_nobody_told_is_missing() {
    let mut silent = outcome(&[]);
    silent.findings.remove("seccomp");
    assert!(refusal(silent).contains("it broke off"));
}

#[test]
fn the_end_of_the_whole_group_proves_the_memory_limit() {
    let mut ended = outcome(&[]);
    ended.findings.remove("cgroup_memory");
    ended.is_ended_by_memory = true;
    refuse_weak(&ended.layers(&[], true), false).unwrap();
}

#[test]
fn memory_that_swaps_is_bounded_all_the_same() {
    let layers = outcome(&["cgroup_memory"]).layers(&[], false);
    refuse_weak(&layers, false).unwrap();
    assert!(refusal(outcome(&["cgroup_memory"])).contains("cgroup_memory"));
}
