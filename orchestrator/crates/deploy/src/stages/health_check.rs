//! Stage 5: the version comes up in a sandbox with the function's own limits, or it never becomes active.

use cloudbox_protocol::Failure;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_sandbox::{LaunchError, SandboxFault, SandboxFaultKind};
use cloudbox_types::Version;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::error::StageError;
use crate::launch::{launch_of, open_egress};
use crate::pipeline::{Site, Work};

/// Loads the code in a sandbox that is thrown away afterwards.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let bundle = work.bundle();
    site.driver.prepare(&bundle.run).await?;
    let limits = ChannelLimits { logs: site.settings.max_output_bytes, ..ChannelLimits::default() };
    let mut launch = launch_of(&work.function, &candidate(work), &bundle, site.code.folder(), limits);
    open_egress(&mut launch, &work.function, site.settings.broker.as_ref());
    let deadline = Instant::now() + site.settings.start_timeout;
    match launch.cold(site.driver.as_ref(), deadline).await {
        Ok((mut sandbox, loaded, logs)) => {
            sandbox.kill().await;
            work.say(logs.into_text());
            work.say(format!("the code is loaded; its handler has the form {:?}", loaded.handler_style));
            work.handler_style = Some(loaded.handler_style);
            Ok(())
        }
        Err(LaunchError::Damaged(how) | LaunchError::Absent(how)) => Err(StageError::Refused(how)),
        Err(LaunchError::Code { failure, logs }) => {
            work.say(logs.into_text());
            Err(of_code(work, &failure))
        }
        Err(LaunchError::Fault(SandboxFault { kind: SandboxFaultKind::Host(error), .. })) => {
            Err(error.into())
        }
        Err(LaunchError::Fault(fault)) => {
            let why = of_fault(site, work, &fault.kind);
            work.say(fault.logs.into_text());
            Err(StageError::Refused(why))
        }
    }
}

/// Its sandbox is gone already.
pub(crate) fn undo(_work: &mut Work) {}

/// The version as it is about to become.
fn candidate(work: &Work) -> Version {
    let settings = &work.function.settings;
    Version {
        function_id: work.function.id,
        number: work.number,
        runtime: work.bundle().runtime.clone(),
        language: settings.language,
        entry_point: settings.entry_point.clone(),
        handler_style: settings.handler_style.as_str().to_owned(),
        digest: work.digest.clone().expect("register comes before, and sets the digest"),
        main: work.main.clone(),
        package: settings.package.clone(),
        image: work.image.clone(),
        dependencies: settings.dependencies.clone(),
        author: String::new(),
        created_at: Timestamp::now(),
    }
}

fn of_code(work: &mut Work, failure: &Failure) -> StageError {
    work.say(&failure.message);
    if failure.stack != failure.message {
        work.say(&failure.stack);
    }
    StageError::Refused(format!("the code can't be loaded: {}", failure.message))
}

fn of_fault(site: &Site, work: &Work, kind: &SandboxFaultKind) -> String {
    let limits = &work.function.settings.limits;
    match kind {
        SandboxFaultKind::OutOfMemory => {
            format!("the code needs more than its {} MB of memory to load", limits.memory_mb)
        }
        SandboxFaultKind::Deadline => {
            format!("the code did not load within {} s", site.settings.start_timeout.as_secs())
        }
        other => format!("the code can't be loaded: {other}"),
    }
}
