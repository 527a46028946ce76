//! What an earlier life left behind: containers, found by their labels, so that nobody else's is ever touched, and
//! the folders of their sandboxes.

use std::collections::{BTreeMap, HashMap, HashSet};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::StreamExt;

use super::remove::remove_container;
use super::{BOOT_LABEL, INSTANCE_LABEL, SANDBOX_LABEL, Shared};
use crate::driver::SweepReport;
use crate::error::Error;
use crate::spec::{Instance, SandboxId};

/// Removals at once.
const PARALLEL: usize = 8;

/// Removes the containers of the instance that an earlier life made, and those that this one has given up, and the
/// folders that were there before this life began.
///
/// # Errors
/// The containers can't be listed.
pub(super) async fn sweep(shared: &Shared) -> Result<SweepReport, Error> {
    let given_up = shared.given_up.lock().clone();
    let folders = shared.old_folders.lock().clone();
    let mut leftovers: BTreeMap<String, Vec<String>> = folders.into_iter().map(|id| (id.0, vec![])).collect();
    for container in list(shared).await? {
        if let Some((sandbox, name)) = leftover(container, &shared.instance, &given_up) {
            leftovers.entry(sandbox).or_default().push(name);
        }
    }
    let removals = leftovers.into_iter().map(|(id, containers)| remove(shared, SandboxId(id), containers));
    let outcomes: Vec<bool> = futures::stream::iter(removals).buffer_unordered(PARALLEL).collect().await;
    let count = |is_removed| outcomes.iter().filter(|outcome| **outcome == is_removed).count();
    let [removed, failed] = [true, false].map(|outcome| u32::try_from(count(outcome)).unwrap_or(u32::MAX));
    Ok(SweepReport { removed, failed })
}

/// Every container with the instance's label, running or not.
async fn list(shared: &Shared) -> Result<Vec<ContainerSummary>, Error> {
    let filters = HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={}", shared.instance.id)])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let listed = shared.docker.list_containers(Some(options)).await;
    listed.map_err(|source| Error::Docker { what: "listing containers", source })
}

/// The folder last: while it is there, the next sweep finds what stayed.
async fn remove(shared: &Shared, id: SandboxId, containers: Vec<String>) -> bool {
    for name in containers {
        if let Err(error) = remove_container(&shared.docker, &name).await {
            tracing::warn!(container = %name, %error, "an earlier life's container stays");
            return false;
        }
        shared.given_up.lock().remove(&name);
    }
    if let Err(error) = shared.run_dir.remove_sandbox(&id) {
        tracing::warn!(sandbox.id = %id, %error, "an earlier life's folder stays");
        return false;
    }
    shared.old_folders.lock().retain(|old| *old != id);
    true
}

/// The sandbox and the container's name, where it is one to remove. The labels are read again: the filter is the
/// daemon's.
fn leftover(
    container: ContainerSummary,
    instance: &Instance,
    given_up: &HashSet<String>,
) -> Option<(String, String)> {
    let mut labels = container.labels.unwrap_or_default();
    let is_ours = labels.get(INSTANCE_LABEL) == Some(&instance.id);
    let is_of_this_life = labels.get(BOOT_LABEL) == Some(&instance.boot);
    let name = container.names?.first()?.trim_start_matches('/').to_owned();
    // It becomes a folder's name.
    let is_id = |label: &String| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sandbox = labels.remove(SANDBOX_LABEL).filter(is_id).or(container.id)?;
    let is_leftover = is_ours && (!is_of_this_life || given_up.contains(&name));
    is_leftover.then_some((sandbox, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, instance: Option<&str>, boot: &str, sandbox: &str) -> ContainerSummary {
        let mut labels = HashMap::from([
            (BOOT_LABEL.to_owned(), boot.to_owned()),
            (SANDBOX_LABEL.to_owned(), sandbox.to_owned()),
        ]);
        labels.extend(instance.map(|instance| (INSTANCE_LABEL.to_owned(), instance.to_owned())));
        ContainerSummary {
            id: Some("c0ffee".to_owned()),
            names: Some(vec![format!("/{name}")]),
            labels: Some(labels),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn only_an_earlier_life_of_this_instance_is_left_over() {
        let instance =
            Instance { id: "ours".to_owned(), boot: "now".to_owned(), run_dir: "/run/cloudbox".into() };
        let given_up = HashSet::from(["stuck".to_owned()]);
        for (name, of, boot, is_leftover) in [
            ("a", Some("ours"), "before", true),
            ("a", Some("ours"), "now", false),
            ("stuck", Some("ours"), "now", true),
            ("stuck", Some("theirs"), "now", false),
            ("a", Some("theirs"), "before", false),
            ("cloudbox-ours-a", None, "before", false),
        ] {
            let found = leftover(container(name, of, boot, "0f"), &instance, &given_up);
            let expected = is_leftover.then(|| ("0f".to_owned(), name.to_owned()));
            assert_eq!(found, expected, "{name} of {of:?}, {boot}");
        }
    }

    #[test]
    fn a_label_that_is_no_id_never_becomes_a_path() {
        let instance =
            Instance { id: "ours".to_owned(), boot: "now".to_owned(), run_dir: "/run/cloudbox".into() };
        for label in ["../../etc", "", "a/b"] {
            let found = leftover(container("a", Some("ours"), "before", label), &instance, &HashSet::new());
            assert_eq!(found, Some(("c0ffee".to_owned(), "a".to_owned())), "{label}");
        }
    }
}
