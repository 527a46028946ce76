//! Stage 3: compilation, where the language has one, and the artefact.

use std::path::Path;

use crate::error::StageError;
use crate::pipeline::{Site, Work};
use crate::stages::over_source;
use cloudbox_artefacts::{Bounds, Shared, collect};

/// Compiles, and takes over what the build left.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let bundle = work.bundle();
    if let Some(program) = bundle.compile(&work.main, &work.function.settings.entry_point) {
        over_source::run(site, work, "the compiler", program).await?;
    }
    // Of a compiled function only the program is needed.
    let only = bundle.is_executable().then(|| work.main.clone());
    collected(site, work, only).await
}

/// Takes over what is in the workspace, or of it one file.
pub(super) async fn collected(site: &Site, work: &mut Work, only: Option<String>) -> Result<(), StageError> {
    let workspace = work.folder().workspace().to_owned();
    let bounds =
        Bounds { bytes: site.settings.max_artefact_bytes, entries: site.settings.max_artefact_files };
    let staging = site.code.staging()?;
    let dependencies = work.dependencies.clone().filter(|set| set.mount.is_none());
    let copied = tokio::task::spawn_blocking(move || {
        let shared = dependencies.as_ref();
        let shared = shared.map(|set| Shared { folder: &set.folder, place: Path::new(&set.place) });
        let artefact = collect(&workspace, only.as_deref(), shared, bounds, staging.path())?;
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
