//! What an earlier life left behind: containers, found by their labels, so that nobody else's is ever touched, and
//! the folders of their sandboxes.

use std::collections::{BTreeMap, HashMap, HashSet};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::StreamExt;

use super::remove::remove_container;
use super::{INSTANCE_LABEL, SANDBOX_LABEL, Shared};
use crate::driver::SweepReport;
use crate::error::Error;
use crate::spec::{Instance, SandboxId};

/// Removals at once.
const PARALLEL: usize = 8;

/// Removes the instance's containers and folders of sandboxes that are not this life's living ones: those of an
/// earlier life, and those of this one that could not be removed when they were killed.
///
/// # Errors
/// The containers or the folders can't be listed.
pub(super) async fn sweep(shared: &Shared) -> Result<SweepReport, Error> {
    let containers = list(shared).await?;
    let folders = shared.run_dir.sandboxes()?;
    // Last, so that whatever is made meanwhile is either not in the lists or alive.
    let alive = shared.alive.lock().clone();
    let mut leftovers: BTreeMap<SandboxId, Vec<String>> =
        folders.into_iter().filter(|id| !alive.contains(id)).map(|id| (id, vec![])).collect();
    for container in containers {
        if let Some((id, name)) = leftover(container, &shared.instance, &alive) {
            leftovers.entry(id).or_default().push(name);
        }
    }
    let removals = leftovers.into_iter().map(|(id, containers)| remove(shared, id, containers));
    let outcomes: Vec<bool> = futures::stream::iter(removals).buffer_unordered(PARALLEL).collect().await;
    let count = |is_removed| outcomes.iter().filter(|outcome| **outcome == is_removed).count();
    let [removed, failed] = [true, false].map(|outcome| u32::try_from(count(outcome)).unwrap_or(u32::MAX));
    shared.run_dir.remove_unused_staging()?;
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
        if let Err(error) = remove_container(&shared.docker, &name, &id).await {
            tracing::warn!(container = %name, %error, "an earlier life's container stays");
            return false;
        }
    }
    if let Err(error) = shared.run_dir.remove_sandbox(&id) {
        tracing::warn!(sandbox.id = %id, %error, "an earlier life's folder stays");
        return false;
    }
    true
}

/// The sandbox and the container's name, where it is one to remove. The labels are read again: the filter is the
/// daemon's.
fn leftover(
    container: ContainerSummary,
    instance: &Instance,
    alive: &HashSet<SandboxId>,
) -> Option<(SandboxId, String)> {
    let mut labels = container.labels.unwrap_or_default();
    let is_ours = labels.get(INSTANCE_LABEL) == Some(&instance.id);
    let name = container.names?.first()?.trim_start_matches('/').to_owned();
    // It becomes a folder's name.
    let is_id = |label: &String| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = SandboxId(labels.remove(SANDBOX_LABEL).filter(is_id).or(container.id)?);
    (is_ours && !alive.contains(&id)).then_some((id, name))
}

#[cfg(test)]
mod tests {
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
}
