//! The bodies of edge functions in the words of the native API.

use std::collections::BTreeMap;

use cloudbox_http::extract::Fields;
use cloudbox_types::Language;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Milliseconds of one call.
const TIMEOUTS: std::ops::RangeInclusive<u32> = 1000..=30_000;
const DEFAULT_TIMEOUT_S: u32 = 10;
/// MB.
const MEMORY: std::ops::RangeInclusive<u32> = 64..=512;

/// A function to be made or changed. Every field of the native API may be sent, too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub struct EdgeFunctionFields {
    /// Unique in its project.
    #[schema(example = "hello-world")]
    name: Option<String>,
    /// Shown to people.
    description: Option<String>,
    /// The source; without it the function is a draft.
    #[schema(example = "export default async (req) => ({ statusCode: 200, body: 'Hello!' })")]
    code: Option<String>,
    /// The function that is called; default `handler`.
    handler: Option<String>,
    /// `JAVASCRIPT` (default), `TYPESCRIPT`, `PYTHON` or `GO`.
    #[schema(example = "JAVASCRIPT")]
    runtime: Option<String>,
    /// Environment variables: stored encrypted, read back masked.
    env_vars: Option<BTreeMap<String, String>>,
    /// Milliseconds of one call, whole seconds; default 10000.
    #[schema(minimum = 1000, maximum = 30000)]
    timeout: Option<u32>,
    /// MB of the whole sandbox; default 128.
    #[schema(minimum = 64, maximum = 512)]
    memory: Option<u32>,
    /// `HTTP`.
    trigger_type: Option<String>,
    /// `ACTIVE` or `INACTIVE`.
    status: Option<String>,
    /// Whether the public ways need no credential; default false.
    is_public: Option<bool>,
}

pub(super) fn of_create(body: Fields) -> Fields {
    let mut body = of_change(body);
    body.put_default("timeout", DEFAULT_TIMEOUT_S);
    body.put_default("entry_point", "handler");
    body
}

pub(super) fn of_change(mut body: Fields) -> Fields {
    for (theirs, ours) in [("envVars", "environment"), ("handler", "entry_point"), ("isPublic", "is_public")]
    {
        body.rename(theirs, ours);
    }
    for field in ["domainId", "subdomain", "path"] {
        if body.value(field).is_some() {
            body.problem(field, "is not available yet: functions have no domains here; leave it out");
        }
    }
    if body.value("cronExpression").is_some() {
        body.problem(
            "cronExpression",
            "is not available yet: functions have no schedules here; leave it out",
        );
    }
    if let Some(other) = body.text("triggerType").filter(|word| word != "HTTP") {
        body.problem("triggerType", format!("{other:?} is not available yet; available: HTTP"));
    }
    match body.text("status").as_deref() {
        None => {}
        Some("ACTIVE") => body.put("is_active", true),
        Some("INACTIVE") => body.put("is_active", false),
        Some(_) => body.problem("status", "must be ACTIVE or INACTIVE"),
    }
    if let Some(word) = body.text("runtime") {
        runtime(&mut body, &word);
    }
    if let Some(ms) = body.number("timeout", &TIMEOUTS, "(milliseconds)") {
        if ms % 1000 == 0 {
            body.put("timeout", ms / 1000);
        } else {
            body.problem("timeout", "must be whole seconds, in milliseconds, such as 10000");
        }
    }
    if let Some(mb) = body.number("memory", &MEMORY, "(MB)") {
        body.put("memory", mb);
    }
    body
}

/// A language in upper case; the native API's names of runtimes do as well.
fn runtime(body: &mut Fields, word: &str) {
    let language = word.to_lowercase().parse::<Language>();
    match language {
        Ok(language) if word.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            body.put_default("language", Value::from(language.as_str()));
        }
        _ if word.bytes().any(|byte| byte.is_ascii_digit()) => body.put("runtime", word),
        _ => body.problem("runtime", "must be JAVASCRIPT, TYPESCRIPT, PYTHON or GO"),
    }
}
