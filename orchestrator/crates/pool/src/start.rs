//! Bringing a sandbox up: from a spare, or from nothing.

use cloudbox_protocol::Logs;
use cloudbox_sandbox::{Launch, LaunchError, Sandbox, SandboxDriver};
use cloudbox_types::Unsealed;
use tokio::time::Instant;

use crate::error::{is_of_host, is_without_root};
use crate::spare_spec::SpareSpec;
use crate::target::Target;

/// A sandbox with the version's code loaded, and what the code printed meanwhile. Where the host could not give the
/// code to the spare, a fresh sandbox is made; where the code itself failed, that is the answer. Where the root of a fresh
/// one is gone, it comes first, once.
pub(crate) async fn bring_up(
    driver: &dyn SandboxDriver,
    target: &Target,
    spare: Option<Box<dyn Sandbox>>,
    deadline: Instant,
) -> Result<(Box<dyn Sandbox>, Logs), LaunchError> {
    let launch = &target.launch;
    if let Err(damaged) = check(launch).await {
        if let Some(mut sandbox) = spare {
            sandbox.kill().await;
        }
        return Err(damaged);
    }
    if let Some(mut sandbox) = spare {
        match launch.load_into(sandbox.as_mut(), deadline).await {
            Ok((_, logs)) => return Ok((sandbox, logs)),
            Err(error) => {
                sandbox.kill().await;
                if !is_of_host(&error) {
                    return Err(error);
                }
                tracing::warn!(error = ?error, "a spare could not be bound, a fresh sandbox is made");
            }
        }
    }
    let made = match (launch.cold(driver, deadline).await, &target.restore) {
        (Err(error), Some(root)) if is_without_root(&error) => {
            root.restore().await?;
            launch.cold(driver, deadline).await
        }
        (made, _) => made,
    };
    made.map(|(sandbox, _, logs)| (sandbox, logs))
}

/// Compares the artefact with what was deployed.
async fn check(launch: &Launch) -> Result<(), LaunchError> {
    let Some(seal) = launch.seal.clone() else { return Ok(()) };
    let checked = tokio::task::spawn_blocking(move || seal.check()).await;
    let checked = checked.unwrap_or_else(|panic| Err(Unsealed::Absent(panic.to_string())));
    checked.map_err(|unsealed| match unsealed {
        Unsealed::Damaged(how) => LaunchError::Damaged(how),
        Unsealed::Absent(why) => LaunchError::Absent(why),
    })
}

/// A generic sandbox whose runtime is up, or whose process waits for the code's program.
pub(crate) async fn bring_up_spare(
    driver: &dyn SandboxDriver,
    spec: &SpareSpec,
    deadline: Instant,
) -> Result<Box<dyn Sandbox>, LaunchError> {
    let mut sandbox = driver.create(&spec.sandbox()).await?;
    let begun = match &spec.program {
        Some(program) => sandbox.start(program, deadline).await.map_err(LaunchError::from),
        None => sandbox.arm(deadline).await.map_err(LaunchError::from),
    };
    match begun {
        Ok(()) => Ok(sandbox),
        Err(error) => {
            sandbox.kill().await;
            Err(error)
        }
    }
}
