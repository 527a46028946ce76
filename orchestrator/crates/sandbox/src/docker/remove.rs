//! Containers go away, also while the daemon is busy, slow or being restarted.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use tokio::time::sleep;

use super::image::status;

/// Tries before it is left to the next sweep.
const TRIES: u32 = 12;
/// The first pause; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// So that a daemon that is away for half a minute is still waited for, without a busy loop.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Removes a container with all its processes and volumes; one that isn't there is removed already.
///
/// # Errors
/// The last answer, after the last try.
pub(super) async fn remove_container(docker: &Docker, name: &str) -> Result<(), DockerError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match docker.remove_container(name, Some(options.clone())).await {
            Ok(()) => return Ok(()),
            Err(error) if status(&error) == Some(404) => return Ok(()),
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
