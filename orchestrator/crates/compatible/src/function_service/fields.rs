//! The bodies of the function service in the words of the native API.

use cloudbox_http::error::ApiError;
use cloudbox_http::extract::Fields;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A function to be made or changed. Every field of the native API may be sent, too.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub struct FunctionFields {
    /// Unique in its project; also `functionName` or `name`.
    #[schema(example = "hello")]
    function_name: Option<String>,
    /// The source; without it the function is a draft.
    #[schema(example = "export async function handler(event) { return { hello: event.name } }")]
    code: Option<String>,
    /// The file that the source came from: its suffix says the language. Also `filePath`.
    #[schema(example = "api/hello.js")]
    file_path: Option<String>,
    /// `node18`, `nodejs18`, `python3.9`, …
    #[schema(example = "node18")]
    runtime: Option<String>,
    /// Whether it may be called; also `isActive` or `enabled`.
    is_active: Option<bool>,
    /// Whether calls need no credential; default on create: true.
    is_public: Option<bool>,
    /// Whether callers without a credential see messages and logs; default on create: true.
    expose_errors: Option<bool>,
}

/// A function as a build registers it.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub struct Registration {
    /// Id or slug; also `projectId`.
    #[schema(example = "default")]
    project_id: String,
    /// The function's own fields.
    #[serde(flatten)]
    function: FunctionFields,
}

/// Callers of this service have no credential, and its answers show messages and logs.
pub(super) fn of_create(body: Fields) -> Fields {
    let mut body = of_change(body);
    body.put_default("is_public", true);
    body.put_default("expose_errors", true);
    body
}

pub(super) fn of_change(mut body: Fields) -> Fields {
    for (theirs, ours) in [
        ("function_name", "name"),
        ("functionName", "name"),
        ("filePath", "file_path"),
        ("isActive", "is_active"),
        ("enabled", "is_active"),
        ("isPublic", "is_public"),
    ] {
        body.rename(theirs, ours);
    }
    if let Some(runtime) = body.text("runtime") {
        let is_short = runtime
            .strip_prefix("node")
            .is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()));
        body.put("runtime", if is_short { runtime.replacen("node", "nodejs", 1) } else { runtime });
    }
    let language = body.short_text("file_path", 1..=1024).and_then(|path| language_of(&path));
    if let Some(language) = language
        && !body.has("runtime")
    {
        body.put_default("language", language);
    }
    body
}

/// By the suffix; none where it says nothing.
fn language_of(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" | "mjs" | "cjs" | "jsx" => Some("javascript"),
        "ts" | "mts" | "cts" | "tsx" => Some("typescript"),
        "py" => Some("python"),
        "go" => Some("go"),
        _ => None,
    }
}

/// The project and the name of a registration.
pub(super) fn named(body: &mut Fields) -> Result<(String, String), ApiError> {
    body.rename("projectId", "project_id");
    body.rename("function_name", "name");
    body.rename("functionName", "name");
    let project = match body.value("project_id") {
        Some(Value::String(text)) => text,
        Some(Value::Number(id)) if id.is_u64() => id.to_string(),
        Some(_) => return Err(ApiError::invalid_field("project_id", "must be a project's id or slug")),
        None => return Err(ApiError::invalid_field("project_id", "is missing")),
    };
    match body.value("name") {
        Some(Value::String(name)) => {
            body.put("name", name.clone());
            Ok((project, name))
        }
        Some(_) => Err(ApiError::invalid_field("function_name", "must be a text")),
        None => Err(ApiError::invalid_field("function_name", "is missing")),
    }
}
