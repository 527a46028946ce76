//! What an earlier life left behind: containers, found by their labels, so that nobody else's is ever touched, and
//! the folders of their sandboxes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::StreamExt;
use tokio::time::timeout;

use super::builder;
use super::remove::remove_container;
use super::{INSTANCE_LABEL, SANDBOX_LABEL, Shared};
use cloudbox_sandbox::driver::SweepReport;
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::spec::{Instance, SandboxId};

/// Removals at once.
const PARALLEL: usize = 8;
/// The longest that the end of the service waits for its last sweep.
const SWEPT_WITHIN: Duration = Duration::from_secs(10);

/// Removes the instance's containers and folders of sandboxes that are not this life's living ones: those of an
/// earlier life, and those of this one that could not be removed when they were killed.
///
/// # Errors
/// The containers or the folders can't be listed.
pub(super) async fn sweep(shared: &Shared) -> Result<SweepReport, Error> {
    let report = containers(shared).await?;
    builder::remove_leftovers(shared).await;
    shared.run_dir.remove_unused_staging()?;
    Ok(report)
}

/// The same for containers and their folders alone, as often as one likes.
///
/// # Errors
/// The containers or the folders can't be listed.
pub(super) async fn containers(shared: &Shared) -> Result<SweepReport, Error> {
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
    Ok(SweepReport { removed, failed })
}

/// Removes what a daemon made after it was given up, as the driver's last deed. One that is in trouble is left to the
/// next life's first sweep.
pub(super) async fn last(shared: &Shared) {
    let swept = shared.watch.guard(containers(shared));
    if let Err(error) = timeout(SWEPT_WITHIN, swept).await.unwrap_or(Err(Error::Gone)) {
        tracing::warn!(%error, "what a troubled daemon made is left to the next start");
    }
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
        if let Err(error) = remove_container(shared, &name, &id).await {
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
mod tests;
