//! Stage 4: the artefact goes into the code store, under its digest, and to the object store where there is one.

use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Puts the artefact in place.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let (artefact, staging) = work.artefact.take().expect("build comes before, and makes the artefact");
    site.code.put(&artefact.digest, staging)?;
    work.say(format!("version {} is {}", work.number, artefact.digest));
    work.digest = Some(artefact.digest.clone());
    if work.is_kept {
        site.code.send(&artefact.digest).await?;
    }
    Ok(())
}

/// The artefact goes, unless another version or deployment has the same one.
pub(crate) fn undo(site: &Site, work: &mut Work) {
    if let Some(digest) = work.digest.take() {
        site.code.give_up(&digest);
    }
}
