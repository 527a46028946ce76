//! From what the service has to what is wanted: a create, a PATCH of what differs, or nothing.

use cloudbox_api_types::{Function, NewFunction};
use reqwest::Method;
use serde_json::{Map, Value};

use super::read;
use crate::{Error, Session};

/// Fields that calls see only after a deploy; all others count from the next call on.
const BUILT: [&str; 8] =
    ["build", "code", "dependencies", "entry_point", "handler_style", "image", "language", "runtime"];
/// What the API shows in place of a value, and what keeps the value when it is sent.
const MASK: &str = cloudbox_types::secret::MASK;

/// What was done to the function.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// There was none.
    Created,
    /// These fields were sent.
    Changed {
        /// In the order of the alphabet.
        fields: Vec<String>,
        /// Whether calls see an older state of the code, or none, until a deploy.
        is_stale: bool,
    },
}

impl Change {
    /// Whether calls don't see all of it yet.
    #[must_use]
    pub const fn needs_deploy(&self) -> bool {
        matches!(self, Self::Created | Self::Changed { is_stale: true, .. })
    }
}

/// Brings the service's function to what is wanted. Where `is_complete`, the wanted environment is all of it; else the
/// variables that it doesn't name stay.
///
/// # Errors
/// The service refuses.
pub async fn apply(
    mut wanted: NewFunction,
    is_complete: bool,
    session: &Session<'_>,
) -> Result<(Function, Change), Error> {
    let Some(current) = read(&wanted.name, session).await? else {
        let request = session.client.functions(Method::POST, &[]).json(&wanted);
        return Ok((session.client.json(request).await?, Change::Created));
    };
    if let Some(environment) = wanted.environment.as_mut().filter(|_| !is_complete) {
        for name in current.environment.keys() {
            environment.entry(name.clone()).or_insert_with(|| MASK.to_owned());
        }
    }
    let mut patch = difference(&current, &wanted);
    let fields: Vec<String> = patch.keys().cloned().collect();
    let is_built = fields.iter().any(|field| BUILT.contains(&field.as_str()));
    let is_stale = is_built || current.status != "deployed";
    // Another runtime alone would have the service tell the language from it, whatever the source is in.
    if patch.contains_key("runtime")
        && let Some(language) = wanted.language
    {
        patch.insert("language".to_owned(), language.into());
    }
    let function = if patch.is_empty() {
        current
    } else {
        let request = session.client.functions(Method::PATCH, &[&current.name]).json(&patch);
        session.client.json(request).await?
    };
    Ok((function, Change::Changed { fields, is_stale }))
}

/// The wanted fields whose values differ. Values of the environment can't be compared, so it differs where it holds any.
fn difference(current: &Function, wanted: &NewFunction) -> Map<String, Value> {
    let object = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let current = object(serde_json::to_value(current));
    let wanted = object(serde_json::to_value(wanted));
    wanted.into_iter().filter(|(field, value)| current.get(field) != Some(value)).collect()
}
