//! Stage 2: the dependencies.

use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Without dependencies there is nothing to do.
#[expect(clippy::unused_async, reason = "every stage has this form")]
pub(crate) async fn run(_site: &Site, work: &mut Work) -> Result<(), StageError> {
    if work.function.settings.dependencies.is_empty() {
        work.say("no dependencies");
        return Ok(());
    }
    Err(StageError::Refused(
        "`dependencies` can't be installed by this release; leave them out, or put their code into `code`"
            .to_owned(),
    ))
}

/// What was installed is in the build folder, and goes with it.
pub(crate) fn undo(_work: &mut Work) {}
