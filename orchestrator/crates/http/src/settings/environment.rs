//! A function's environment variables.

use std::collections::BTreeMap;

use cloudbox_types::Secret;
use cloudbox_types::secret::MASK;

use crate::extract::Fields;

/// Bytes of all names and values together.
const MAX_BYTES: usize = 64 << 10;
/// Names that the product keeps for itself.
const RESERVED_PREFIX: &str = "CLOUDBOX_";

/// Replaces the environment by that of the body; a value that is the mask keeps what is there.
pub(super) fn apply(current: &mut BTreeMap<String, Secret<String>>, fields: &mut Fields) {
    let Some(pairs) = fields.text_map("environment") else { return };
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        fields.problem("environment", format!("may have at most {MAX_BYTES} bytes in all, not {bytes}"));
    }
    let mut environment = BTreeMap::new();
    for (name, value) in pairs {
        if let Some(problem) = problem_of(&name, &value) {
            fields.problem(format!("environment.{name}"), problem);
            continue;
        }
        let value = match current.get(&name) {
            Some(kept) if value == MASK => kept.clone(),
            _ => Secret::new(value),
        };
        environment.insert(name, value);
    }
    *current = environment;
}

/// What is wrong with a variable; none for a good one.
#[must_use]
pub fn problem_of(name: &str, value: &str) -> Option<&'static str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit());
    if !is_name {
        return Some("must consist of letters, digits and _, and not begin with a digit");
    }
    if name.starts_with(RESERVED_PREFIX) {
        return Some("must not begin with CLOUDBOX_, which is reserved");
    }
    value.contains('\0').then_some("must not hold NUL characters")
}
