//! What a function's settings say of networks: the hosts that it may reach, and what browsers may ask it.

use std::sync::Arc;

use cloudbox_types::EgressRule;
use cloudbox_types::function::FunctionSettings;
use serde_json::Value;

use crate::extract::Fields;

/// Keys of `cors`.
const CORS_KEYS: [&str; 6] = ["origins", "methods", "headers", "expose_headers", "credentials", "max_age"];

pub(super) fn apply(
    settings: &mut FunctionSettings,
    fields: &mut Fields,
    egress: Option<&Arc<dyn EgressRule>>,
) {
    if let Some(hosts) = fields.texts("egress") {
        match egress {
            None if !hosts.is_empty() => {
                fields
                    .problem("egress", "must be []: the operator has switched off the way out of sandboxes");
            }
            Some(rule) => {
                if let Some((place, why)) = rule.problem(&hosts) {
                    fields.problem(format!("egress[{place}]"), why);
                }
            }
            None => {}
        }
        settings.egress = hosts;
    }
    match fields.clearable("cors") {
        None => {}
        Some(None) => settings.cors = None,
        Some(Some(cors)) => {
            check_cors(&cors, fields);
            settings.cors = Some(cors);
        }
    }
}

fn check_cors(cors: &Value, fields: &mut Fields) {
    let Value::Object(cors) = cors else {
        fields.problem("cors", format!("must be null or an object with {}", CORS_KEYS.join(", ")));
        return;
    };
    for (key, value) in cors {
        let is_texts = || value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        let wanted = match key.as_str() {
            "origins" | "methods" | "headers" | "expose_headers" if !is_texts() => "must be a list of texts",
            "credentials" if !value.is_boolean() => "must be true or false",
            "max_age" if value.as_u64().is_none_or(|seconds| seconds > 86_400) => {
                "must be a whole number from 0 to 86400 (seconds)"
            }
            known if CORS_KEYS.contains(&known) => continue,
            _ => "is not a known field",
        };
        fields.problem(format!("cors.{key}"), wanted);
    }
    let is_any =
        cors.get("origins").and_then(Value::as_array).is_some_and(|all| all.contains(&Value::from("*")));
    if is_any && cors.get("credentials") == Some(&Value::Bool(true)) {
        fields.problem("cors.credentials", "must not be true with the origin *");
    }
}
