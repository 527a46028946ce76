//! Stage 4: the artefact goes into the code store, under its digest, and to the object store where there is one.

use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Puts the artefact in place.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let (artefact, staging) = work.artefact.take().expect("build comes before, and makes the artefact");
    let digest = artefact.digest;
    // Before it is looked for: one that nothing refers to may be about to go.
    let code = &site.code;
    let hold = if work.is_kept { code.hold_everywhere(&digest).await? } else { code.hold(&digest) };
    work.hold = Some(hold);
    code.put(&digest, staging)?;
    work.digest = Some(digest.clone());
    if let Some(set) = &work.dependencies {
        site.dependencies.note_user(&set.key, &digest)?;
    }
    work.say(format!("version {} is {digest}", work.number));
    if work.is_kept {
        code.send(&digest).await?;
    }
    Ok(())
}

/// The artefact goes, unless another version or deployment has the same one.
pub(crate) fn undo(site: &Site, work: &mut Work) {
    if let Some(digest) = work.digest.take() {
        site.code.give_up(&digest);
    }
    work.hold = None;
}
