//! Which containers are left over.

use super::*;

fn container(name: &str, instance: Option<&str>, sandbox: &str) -> ContainerSummary {
    let mut labels = HashMap::from([(SANDBOX_LABEL.to_owned(), sandbox.to_owned())]);
    labels.extend(instance.map(|instance| (INSTANCE_LABEL.to_owned(), instance.to_owned())));
    ContainerSummary {
        id: Some("c0ffee".to_owned()),
        names: Some(vec![format!("/{name}")]),
        labels: Some(labels),
        ..ContainerSummary::default()
    }
}

fn instance() -> Instance {
    Instance { id: "ours".to_owned(), boot: "now".to_owned(), run_dir: "/run/cloudbox".into() }
}

#[test]
fn only_what_is_ours_and_does_not_live_is_left_over() {
    let alive = HashSet::from([SandboxId("0a".to_owned())]);
    for (name, of, sandbox, is_leftover) in [
        ("dead", Some("ours"), "0f", true),
        ("alive", Some("ours"), "0a", false),
        ("dead", Some("theirs"), "0f", false),
        ("cloudbox-ours-0f", None, "0f", false),
    ] {
        let found = leftover(container(name, of, sandbox), &instance(), &alive);
        let expected = is_leftover.then(|| (SandboxId(sandbox.to_owned()), name.to_owned()));
        assert_eq!(found, expected, "{name} of {of:?}");
    }
}

#[test]
fn a_label_that_is_no_id_never_becomes_a_path() {
    for label in ["../../etc", "", "a/b"] {
        let found = leftover(container("a", Some("ours"), label), &instance(), &HashSet::new());
        assert_eq!(found, Some((SandboxId("c0ffee".to_owned()), "a".to_owned())), "{label}");
    }
}
