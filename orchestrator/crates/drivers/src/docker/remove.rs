//! Containers go away, also while the daemon is busy, slow or being restarted.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::time::{sleep, timeout};

use super::daemon::unavailable;
use super::image::status;
use super::{SANDBOX_LABEL, Shared};
use cloudbox_sandbox::error::Error;
use cloudbox_sandbox::spec::SandboxId;

/// Tries before it is left to the next sweep.
const TRIES: u32 = 12;
/// The first pause; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// So that a daemon that is away for half a minute is still waited for, without a busy loop.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long one removal may take.
const REMOVED_WITHIN: Duration = Duration::from_secs(20);
/// How long a daemon in trouble is waited for. When it is back, it is swept: the container has no process any more.
const TROUBLE: Duration = Duration::from_secs(3);

/// Removes a sandbox's container with all its processes and volumes; one that isn't there is removed already.
///
/// # Errors
/// The last answer, after the last try; the daemon is in trouble.
pub(super) async fn remove_container(shared: &Shared, name: &str, id: &SandboxId) -> Result<(), Error> {
    tokio::select! {
        removed = try_to_remove(&shared.docker, name, id) => {
            removed.map_err(|source| Error::Docker { what: "removing a container", source })
        }
        () = shared.watch.trouble_for(TROUBLE) => Err(unavailable("it is in trouble".to_owned())),
    }
}

async fn try_to_remove(docker: &Docker, name: &str, id: &SandboxId) -> Result<(), DockerError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let removal = timeout(REMOVED_WITHIN, docker.remove_container(name, Some(options.clone())));
        match removal.await.unwrap_or(Err(DockerError::RequestTimeoutError)) {
            Ok(()) => return Ok(()),
            // A container loses its name before it is gone, and the daemon itself removes one whose create was broken
            // off: so the name alone says nothing.
            Err(error) if status(&error) == Some(404) => {
                if attempt >= TRIES || !is_there(docker, id).await? {
                    return Ok(());
                }
            }
            // 400: the request is wrong, and will be so again.
            Err(error) if attempt >= TRIES || status(&error) == Some(400) => return Err(error),
            // 409: a removal is on its way; 500: the driver of the storage was busy; no status: the daemon is away.
            Err(error) => tracing::debug!(container = name, attempt, %error, "removing a container again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// Whether the daemon knows a container of the sandbox, in whatever state. Its list alone doesn't tell: where a process
/// ends while its container is being removed, Docker 20.10 puts an entry back that stands for nothing any more.
async fn is_there(docker: &Docker, id: &SandboxId) -> Result<bool, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{SANDBOX_LABEL}={id}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    for listed in docker.list_containers(Some(options)).await? {
        let found = docker.inspect_container(&listed.id.unwrap_or_default(), None).await;
        if !matches!(&found, Err(error) if status(error) == Some(404)) {
            return found.map(|_| true);
        }
    }
    Ok(false)
}
