//! A program of the toolchain over the source: what the check and the compilation have in common.

use cloudbox_sandbox::Program;

use crate::build_sandbox::Step;
use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Runs it in the build root, without a network, and takes over what it says and the main file that it names.
pub(crate) async fn run(
    site: &Site,
    work: &mut Work,
    name: &'static str,
    program: Program,
) -> Result<(), StageError> {
    let bundle = work.bundle();
    site.driver.prepare(&bundle.build).await?;
    let dependencies = work.dependencies.as_ref();
    let mounts = dependencies.and_then(|set| Some((set.folder.clone(), set.mount.clone()?)));
    let step = Step {
        name,
        rootfs: &bundle.build,
        program,
        folder: work.folder(),
        gate: None,
        mounts: mounts.into_iter().collect(),
        listener: work.listener(Vec::new()),
    };
    let done = step.run(site.driver.as_ref(), &site.settings).await?;
    done.outcome.map_err(StageError::Refused)?;
    work.main = work.folder().main(&work.main)?;
    Ok(())
}
