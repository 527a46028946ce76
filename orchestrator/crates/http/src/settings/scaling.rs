//! How many sandboxes a function may have, and how many calls each takes at once.

use std::ops::RangeInclusive;

use cloudbox_types::Isolation;
use cloudbox_types::function::FunctionSettings;

use super::set;
use crate::error::ApiError;
use crate::extract::Fields;

/// Sandboxes that a function may hold warm.
const MIN_INSTANCES: RangeInclusive<u32> = 0..=100;
/// Sandboxes that a function may have.
const MAX_INSTANCES: RangeInclusive<u32> = 1..=1000;
/// Calls at once in one sandbox.
const CONCURRENCY: RangeInclusive<u32> = 1..=100;

/// The settings after a change of the scale alone, whose fields have two names each.
///
/// # Errors
/// `VALIDATION_ERROR` with every problem of the body.
pub fn patch(current: &FunctionSettings, mut fields: Fields) -> Result<FunctionSettings, ApiError> {
    fields.rename("minInstances", "min_instances");
    fields.rename("maxInstances", "max_instances");
    fields.rename("targetConcurrency", "concurrency");
    let mut settings = current.clone();
    apply(&mut settings, &mut fields);
    fields.finish()?;
    Ok(settings)
}

pub(super) fn apply(settings: &mut FunctionSettings, fields: &mut Fields) {
    set(&mut settings.min_instances, fields.number("min_instances", &MIN_INSTANCES, "(sandboxes)"));
    set(&mut settings.max_instances, fields.number("max_instances", &MAX_INSTANCES, "(sandboxes)"));
    if settings.min_instances > settings.max_instances {
        let (min, max) = (settings.min_instances, settings.max_instances);
        fields.problem(
            "min_instances",
            format!("must not be more than max_instances, and {min} is more than {max}"),
        );
    }
    set(
        &mut settings.concurrency,
        fields.number("concurrency", &CONCURRENCY, "(calls at once in one sandbox)"),
    );
    if settings.concurrency > 1 && settings.isolation != Isolation::Version {
        let problem = "must be 1 where each call has a process or a sandbox of its own (isolation), and 2 or more where \
                       calls share one";
        fields.problem("concurrency", problem);
    }
}
