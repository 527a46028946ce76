//! The five stages, in their order. Each does its part or says why not; `undo` takes back what a stage that was done
//! left, when a later one fails.

pub(crate) mod build;
mod custom;
pub(crate) mod health_check;
pub(crate) mod install;
mod over_source;
pub(crate) mod register;
mod source;
mod typescript;
pub(crate) mod validate;

use cloudbox_types::Stage;

use crate::error::StageError;
use crate::pipeline::{Site, Work};

/// Runs one stage.
pub(crate) async fn run(stage: Stage, site: &Site, work: &mut Work) -> Result<(), StageError> {
    let outcome = match stage {
        Stage::Validate if custom::is_program(work) => custom::validate(site, work).await,
        Stage::Install if custom::is_program(work) => {
            work.say("an image brings what it needs");
            Ok(())
        }
        Stage::Build if custom::is_program(work) => custom::build(site, work).await,
        Stage::Validate => validate::run(site, work).await,
        Stage::Install => install::run(site, work).await,
        Stage::Build => build::run(site, work).await,
        Stage::Register => register::run(site, work).await,
        Stage::HealthCheck => health_check::run(site, work).await,
    };
    outcome.map_err(|error| custom::explained(work, error))
}

/// Takes back what a stage left.
pub(crate) fn undo(stage: Stage, site: &Site, work: &mut Work) {
    match stage {
        Stage::Validate => validate::undo(work),
        Stage::Install => install::undo(work),
        Stage::Build => build::undo(work),
        Stage::Register => register::undo(site, work),
        Stage::HealthCheck => health_check::undo(work),
    }
}
