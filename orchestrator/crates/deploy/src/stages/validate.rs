//! Stage 1: a runtime that is here, code of a fair size, and no syntax error in it.

use std::sync::Arc;

use cloudbox_bundles::Bundle;

use crate::build_folder::BuildFolder;
use crate::error::StageError;
use crate::pipeline::{Site, Work};
use crate::stages::{custom, install, over_source, source, typescript};

/// Finds the runtime, writes the source into a build folder, and has the language check it.
pub(crate) async fn run(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let settings = &work.function.settings;
    let (language, entry_point) = (settings.language, settings.entry_point.clone());
    source::check(&work.function, &site.settings)?;
    check_entry_point(&entry_point)?;
    let bundle = if custom::is_custom(work) {
        custom::bundle(site, work).await?
    } else {
        resolved(site, work).await?
    };
    if let Some(why) = bundle.refusal(language) {
        return Err(StageError::Refused(why.to_owned()));
    }
    install::check(work, &bundle)?;
    work.say(format!("{language} on {} ({})", bundle.runtime, bundle.toolchain));
    let mut folder = BuildFolder::create(&site.settings.builds_dir)?;
    let main = source::place(site, &work.function, &bundle, &mut folder).await?;
    work.folder = Some(folder);
    work.bundle = Some(bundle);
    work.main = main;
    typescript::compile(site, work).await?;
    check(site, work).await
}

/// The bundle of a runtime of the catalogue.
async fn resolved(site: &Site, work: &mut Work) -> Result<Arc<Bundle>, StageError> {
    let settings = &work.function.settings;
    let resolved = site.catalogue.resolve(settings.language, Some(&settings.runtime))?;
    for warning in &resolved.warnings {
        work.say(format!("warning: {warning}"));
    }
    Ok(site.catalogue.bundle(&resolved.runtime).await?)
}

/// The folder goes, with all that is in it.
pub(crate) fn undo(work: &mut Work) {
    work.folder = None;
}

/// `handler` or `index.handler`: it becomes a file's name.
fn check_entry_point(entry_point: &str) -> Result<(), StageError> {
    let (file, name) = entry_point.rsplit_once('.').unwrap_or(("index", entry_point));
    let is_file = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let is_right = (1..=64).contains(&file.len())
        && (1..=128).contains(&name.len())
        && !file.starts_with('-')
        && file.bytes().all(is_file)
        && name.bytes().all(is_name);
    if is_right {
        return Ok(());
    }
    Err(StageError::Refused(format!(
        "`entry_point` {entry_point:?} must be a function's name, or a file's and a function's with a dot between \
         them, such as `handler` or `index.handler`"
    )))
}

async fn check(site: &Site, work: &mut Work) -> Result<(), StageError> {
    let bundle = work.bundle();
    let Some(program) = bundle.check(&work.main, &work.function.settings.entry_point) else {
        work.say("the compiler will check the source");
        return Ok(());
    };
    over_source::run(site, work, "the syntax check", program).await?;
    work.say(format!("{} has no syntax error", work.main));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_points_are_names() {
        for good in ["handler", "index.handler", "main", "my-file.run_2", "a.$x"] {
            assert!(check_entry_point(good).is_ok(), "{good}");
        }
        let long = "a".repeat(129);
        for bad in ["", ".", "a.", ".b", "../x.handler", "a/b.c", "a b", "a;b", "-rf.x", "ä", &long] {
            assert!(check_entry_point(bad).is_err(), "{bad:?}");
        }
    }
}
