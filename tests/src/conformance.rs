//! Conformance cases: folders of data, the same for every runtime and driver.
//!
//! A case is a folder with a `function.*` per language, `request.json` and `expected.json`.
//!
//! `request.json`: `{"needs": {…}, "refused": "…", "function": {…}, "calls": [{…}]}`. `needs` has the first version of a language in which
//! the case's code can run at all, such as `{"node": "18"}`; older runtimes pass it over or, where there is `refused`, refuse its deployment
//! with an error that contains that text. `function` holds settings of the create beside name, language and
//! code. A call has either `execute`, the body of the execute route, `request`, that of `/execute` for a stored function, or `method` with `path` (below the function's public
//! route, with its query), `headers`, `body` (text) or `body_base64`; and perhaps `repeat`, how often.
//!
//! `expected.json`: `{"deploy": {…}, "calls": [{…}]}`. `deploy` (left out: it succeeds) and each call have `status`, and
//! what they name of `headers`, `json`, `text` and `base64`; also `max_logs`, the most bytes of `logs`. How values are
//! compared is said at [`differences`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Answer, Api, machine};

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name, which is the function's too.
    pub name: String,
    folder: PathBuf,
    request: Request,
    expected: Expected,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    needs: BTreeMap<String, String>,
    refused: Option<String>,
    #[serde(default)]
    function: Map<String, Value>,
    #[serde(default)]
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    execute: Option<Value>,
    request: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    body_base64: Option<String>,
    #[serde(default = "once")]
    repeat: u32,
}

const fn once() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    deploy: Option<Shape>,
    #[serde(default)]
    calls: Vec<Shape>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    json: Option<Value>,
    text: Option<String>,
    base64: Option<String>,
    max_logs: Option<usize>,
}

/// A source of a case: the file's extension decides over language and dialect.
const DIALECTS: [(&str, &str, &str); 5] = [
    ("node", "js", "javascript"),
    ("node", "mjs", "javascript"),
    ("node", "ts", "typescript"),
    ("python", "py", "python"),
    ("go", "go", "go"),
];

/// Every case, by name.
///
/// # Panics
/// A folder is no case.
#[must_use]
pub fn cases() -> Vec<Case> {
    let root = machine::root().join("tests/conformance");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().map(Case::read).collect()
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let request: Request = read_json(&folder.join("request.json"));
        let expected: Expected = read_json(&folder.join("expected.json"));
        assert_eq!(request.calls.len(), expected.calls.len(), "{name}: as many answers as calls");
        Self { name, folder, request, expected }
    }

    /// Deploys the case's functions in a language (`node`, `python`, `go`), on one runtime of it or the usual one, and makes its
    /// calls; a line for each difference.
    pub async fn run(&self, language: &str, runtime: Option<&str>, api: &Api) -> Vec<String> {
        let mut wrong = Vec::new();
        let is_old = runtime
            .zip(self.request.needs.get(language))
            .is_some_and(|(runtime, needed)| is_older(runtime, needed));
        if is_old && self.request.refused.is_none() {
            return wrong;
        }
        for (_, extension, language) in DIALECTS.into_iter().filter(|(of, ..)| *of == language) {
            let Ok(code) = std::fs::read_to_string(self.folder.join(format!("function.{extension}"))) else {
                continue;
            };
            let name = format!("{}-{extension}", self.name);
            let found = match self.create(&name, (language, runtime), &code, api).await {
                Err(difference) => vec![difference],
                Ok(()) if is_old => self.refusal(&name, api).await,
                Ok(()) => self.play(&name, api).await,
            };
            wrong.extend(found.into_iter().map(|line| format!("{name}: {line}")));
        }
        wrong
    }

    async fn create(
        &self,
        name: &str,
        (language, runtime): (&str, Option<&str>),
        code: &str,
        api: &Api,
    ) -> Result<(), String> {
        let mut function = self.request.function.clone();
        function.extend([
            ("name".to_owned(), json!(name)),
            ("language".to_owned(), json!(language)),
            ("code".to_owned(), json!(code)),
            ("is_public".to_owned(), json!(true)),
        ]);
        if let Some(runtime) = runtime {
            function.entry("runtime").or_insert_with(|| json!(runtime));
        }
        let created = api.create(&Value::Object(function)).await;
        if created.status == 201 {
            return Ok(());
        }
        Err(format!("create: {} {}", created.status, created.text()))
    }

    /// On a runtime that is older than what the case needs.
    async fn refusal(&self, name: &str, api: &Api) -> Vec<String> {
        let json = json!({ "error": self.request.refused.as_ref().map(|text| format!("~{text}")) });
        let expected = Shape { status: 422, json: Some(json), ..Shape::default() };
        expected.check("deploy", &api.deploy(name).await)
    }

    async fn play(&self, name: &str, api: &Api) -> Vec<String> {
        let deployed = api.deploy(name).await;
        if let Some(expected) = &self.expected.deploy {
            return expected.check("deploy", &deployed);
        }
        if deployed.status != 200 {
            return vec![format!("deploy: {} {}", deployed.status, deployed.text())];
        }
        let mut wrong = Vec::new();
        for (index, (call, expected)) in self.request.calls.iter().zip(&self.expected.calls).enumerate() {
            for _ in 0..call.repeat {
                wrong.extend(expected.check(&format!("call {index}"), &call.make(name, api).await));
            }
        }
        wrong
    }
}

impl Call {
    async fn make(&self, name: &str, api: &Api) -> Answer {
        if let Some(body) = &self.execute {
            return api.execute(name, body).await;
        }
        if let Some(request) = &self.request {
            return api.post("/execute", &json!({ "function_id": name, "request": request })).await;
        }
        let method = self.method.as_deref().unwrap_or("POST");
        // The public route is for callers without a credential; with one they would see the inside of failures.
        let api = api.anonymous();
        let mut request = api.public(Method::from_bytes(method.as_bytes()).unwrap(), name, &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_str().unwrap());
        }
        request = match (&self.body, &self.body_base64) {
            (Some(text), _) => request.body(text.clone()),
            (None, Some(text)) => request.body(BASE64.decode(text).unwrap()),
            (None, None) => request,
        };
        Answer::of(request).await
    }
}

impl Shape {
    fn check(&self, what: &str, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        if answer.status != self.status {
            wrong.push(format!("status {}, not {}", answer.status, self.status));
        }
        for (name, value) in &self.headers {
            differences(&format!("header {name}"), value, &json!(answer.header(name)), &mut wrong);
        }
        let found = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if let Some(json) = &self.json {
            differences("", json, &found, &mut wrong);
        }
        if let Some(text) = &self.text {
            differences("text", &json!(text), &json!(answer.text()), &mut wrong);
        }
        if let Some(base64) = &self.base64 {
            differences("base64", &json!(base64), &json!(BASE64.encode(&answer.body)), &mut wrong);
        }
        let logs = found["logs"].as_str().unwrap_or_default().len();
        if let Some(most) = self.max_logs.filter(|most| logs > *most) {
            wrong.push(format!("{logs} bytes of logs, more than {most}"));
        }
        if wrong.is_empty() {
            return wrong;
        }
        let mut shown = answer.text();
        shown.truncate(shown.floor_char_boundary(600));
        vec![format!("{what}: {}; the answer was {} {shown}", wrong.join("; "), answer.status)]
    }
}

/// Compares a value with what was found, and adds a line for each difference.
///
/// An object may have more fields than are expected, but for what is below `response`, which must be equal. A text that
/// begins with `~` must be contained; `~` alone stands for any text that is not empty. `null` also stands for a field
/// that is absent.
fn differences(path: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differences(&path, value, found.get(key).unwrap_or(&Value::Null), wrong);
            }
            let is_exact = path == "response" || path.starts_with("response.");
            for key in found.keys().filter(|key| is_exact && !expected.contains_key(*key)) {
                wrong.push(format!("{path} has an unexpected {key}"));
            }
        }
        (Value::String(expected), Value::String(found)) if expected.starts_with('~') => {
            let part = &expected[1..];
            if found.is_empty() || !found.contains(part) {
                wrong.push(format!("{path} is {found:?}, without {part:?}"));
            }
        }
        _ if expected == found => {}
        _ => wrong.push(format!("{path} is {found}, not {expected}")),
    }
}

/// Whether a runtime, such as `python3.7`, is of an older version than this.
fn is_older(runtime: &str, needed: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        version.trim_start_matches(char::is_alphabetic).split('.').map(|part| part.parse().unwrap()).collect()
    };
    numbers(runtime) < numbers(needed)
}

#[track_caller]
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(expected: &Value, found: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        differences("", expected, found, &mut wrong);
        wrong
    }

    #[test]
    fn more_fields_are_fine_but_in_the_response() {
        assert!(compare(&json!({"a": 1}), &json!({"a": 1, "b": 2})).is_empty());
        assert_eq!(compare(&json!({"a": 1}), &json!({"b": 1})), ["a is null, not 1"]);
        let wrong = compare(&json!({"response": {"a": {}}}), &json!({"response": {"a": {"b": 1}}}));
        assert_eq!(wrong, ["response.a has an unexpected b"]);
    }

    #[test]
    fn a_tilde_means_contained() {
        assert!(
            compare(&json!("~b"), &json!("abc")).is_empty() && compare(&json!("~"), &json!("x")).is_empty()
        );
        assert_eq!(compare(&json!("~x"), &json!("abc")).len(), 1);
        assert_eq!(compare(&json!("~"), &json!("")).len(), 1);
        assert_eq!(compare(&json!("~"), &json!(null)).len(), 1);
    }

    #[test]
    fn every_case_can_be_read_and_has_every_language_or_says_why_not() {
        let cases = cases();
        assert!(cases.len() >= 20);
        for case in cases {
            let has = |extension: &str| case.folder.join(format!("function.{extension}")).is_file();
            let why = case.folder.join("README.md").is_file();
            assert!(why || ["js", "py", "go"].into_iter().all(has), "{} lacks a language", case.name);
        }
    }
}
