//! Stage 3: compilation, where the language has one, and the artefact.

use cloudbox_sandbox::Network;

use crate::artefact::{Bounds, collect};
use crate::build_sandbox::Step;
use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Compiles, and takes over what the build left.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let bundle = work.bundle();
    if let Some(program) = bundle.compile(&work.main, &work.function.settings.entry_point) {
        site.driver.prepare(&bundle.build).await?;
        let step = Step {
            name: "the compiler",
            rootfs: &bundle.build,
            program,
            folder: work.folder(),
            network: Network::None,
            mounts: Vec::new(),
        };
        let done = step.run(site.driver.as_ref(), &site.settings).await?;
        work.say(&done.output);
        done.outcome.map_err(StageError::Refused)?;
        work.main = work.folder().main(&work.main)?;
    }
    // Of a compiled function only the program is needed.
    let only = bundle.is_executable().then(|| work.main.clone());
    let workspace = work.folder().workspace().to_owned();
    let bounds =
        Bounds { bytes: site.settings.max_artefact_bytes, entries: site.settings.max_artefact_files };
    let staging = site.code.staging()?;
    let copied = tokio::task::spawn_blocking(move || {
        let artefact = collect(&workspace, only.as_deref(), bounds, staging.path())?;
        Ok::<_, StageError>((artefact, staging))
    });
    let (artefact, staging) =
        copied.await.unwrap_or_else(|panic| Err(StageError::io("collecting", "artefact")(panic.into())))?;
    work.say(format!("{} files, {} bytes, SHA-256 {}", artefact.files, artefact.bytes, artefact.digest));
    work.artefact = Some((artefact, staging));
    Ok(())
}

/// The copy goes.
pub(crate) fn undo(work: &mut Work) {
    work.artefact = None;
}
