//! The body of a call with code, checked.

use std::time::Duration;

use cloudbox_api::controllers::execute::request::Wanted as Request;
use cloudbox_api_types::ExecuteRequest;
use cloudbox_http::api::Api;
use cloudbox_http::error::{ApiError, detail};
use cloudbox_http::extract::Fields;
use cloudbox_http::settings;
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::limits::Ranges;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

/// What the function is called by its own context and in metrics.
const NAME: &str = "inline";
/// The project that code runs in where the body names none.
pub(super) const DEFAULT_PROJECT: &str = "1";
/// Parameters of a path, and bytes of all of them.
const MAX_PARAMS: usize = 100;
const MAX_PARAM_BYTES: usize = 16 << 10;
/// Names in `env_required`.
const MAX_REQUIRED: usize = 100;
/// Fields that a function's settings have too, by their names there.
const SHARED: [(&str, &str); 7] = [
    ("code", "code"),
    ("language", "language"),
    ("runtime", "runtime"),
    ("entry_point", "entry_point"),
    ("handler_style", "handler_style"),
    ("env", "environment"),
    ("egress", "egress"),
];

/// What is to be run, and the request for it.
pub(super) struct Wanted {
    pub(super) source: Source,
    pub(super) request: Request,
}

/// What is to be run.
pub(super) enum Source {
    /// Code of the body.
    Code(Box<Code>),
    /// A function by id or name; of which project, where the body says one.
    Stored { project: Option<String>, function: String },
}

/// Code of the body, as the function that it becomes.
pub(super) struct Code {
    pub(super) project: String,
    pub(super) settings: FunctionSettings,
    /// Of the call, exact.
    pub(super) timeout: Option<Duration>,
    config: Map<String, Value>,
}

impl Wanted {
    /// # Errors
    /// `VALIDATION_ERROR` with every problem.
    pub(super) fn read(mut fields: Fields, api: &Api) -> Result<Self, ApiError> {
        let mut own = Map::new();
        for (field, name) in SHARED {
            own.extend(fields.value(field).map(|value| (name.to_owned(), value)));
        }
        let project = reference(&mut fields, "project_id");
        let function = reference(&mut fields, "function_id");
        let config = object(&mut fields, "config");
        let request = object(&mut fields, "request");
        if function.is_some() == own.contains_key("code") {
            fields.problem("code", "is needed, or function_id in its place: exactly one of the two");
        }
        // A stored function has its own: what is said of them here would go unheard.
        for (field, name) in SHARED.iter().filter(|_| function.is_some()) {
            if *field != "code" && own.contains_key(*name) {
                fields.problem(
                    *field,
                    "is for code of the body; a stored function has its own: change that one",
                );
            }
        }
        if function.is_some() && !config.is_empty() {
            fields
                .problem("config", "is for code of the body; a stored function has its own: change that one");
        }
        fields.finish()?;
        let request = read_request(request, api)?;
        let source = match function {
            Some(function) => Source::Stored { project, function },
            None => {
                let project = project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
                Source::Code(Box::new(Code::read(project, own, config, api)?))
            }
        };
        Ok(Self { source, request })
    }
}

impl Code {
    fn read(
        project: String,
        mut own: Map<String, Value>,
        config: Map<String, Value>,
        api: &Api,
    ) -> Result<Self, ApiError> {
        own.insert("name".to_owned(), json!(NAME));
        let settings = settings::create(Fields::new(own), &api.known_runtimes(), &api.ranges);
        let settings = settings.map_err(renamed)?;
        Ok(Self { project, settings, timeout: None, config })
    }

    /// Applies what the code exports as its `config`, and what the body says over it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`: out of the operator's ranges, or a variable that is needed is missing.
    pub(super) fn configure(&mut self, exported: Value, ranges: &Ranges) -> Result<(), ApiError> {
        let mut config = match exported {
            Value::Object(config) => config,
            _ => Map::new(),
        };
        config.append(&mut self.config);
        let mut problems = Vec::new();
        let mut number = |name: &str, least: u64, most: u64, unit: &str| {
            let value = config.get(name).filter(|value| !value.is_null())?;
            let number = value.as_u64().filter(|number| (least..=most).contains(number));
            if number.is_none() {
                let message = format!("must be a whole number from {least} to {most} ({unit})");
                problems.push(detail(format!("config.{name}"), message));
            }
            number
        };
        let timeout = number("timeout", 1, u64::from(*ranges.timeout_s.end()) * 1000, "milliseconds");
        let (least, most) = (*ranges.memory_mb.start(), *ranges.memory_mb.end());
        let memory = number("memory", least.into(), most.into(), "MB");
        for name in required(&config) {
            if !self.settings.environment.contains_key(name) {
                problems.push(detail(format!("env.{name}"), "is missing, and config.env_required names it"));
            }
        }
        if !problems.is_empty() {
            return Err(ApiError::invalid(problems));
        }
        let limits = &mut self.settings.limits;
        if let Some(ms) = timeout {
            self.timeout = Some(Duration::from_millis(ms));
            let seconds = u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX);
            limits.timeout_s = seconds.max(*ranges.timeout_s.start());
        }
        limits.memory_mb = memory.and_then(|mb| u32::try_from(mb).ok()).unwrap_or(limits.memory_mb);
        Ok(())
    }
}

fn required(config: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let names = config.get("env_required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().take(MAX_REQUIRED).filter_map(Value::as_str)
}

/// Problems by the names that the fields have here.
fn renamed(mut error: ApiError) -> ApiError {
    for detail in error.body.details.iter_mut().flatten() {
        if let Some(rest) = detail.field.strip_prefix("environment") {
            detail.field = format!("env{rest}");
        }
    }
    error
}

/// An id, or a name.
fn reference(fields: &mut Fields, field: &'static str) -> Option<String> {
    match fields.value(field)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => {
            fields.problem(field, "must be an id or a name");
            None
        }
    }
}

fn object(fields: &mut Fields, field: &'static str) -> Map<String, Value> {
    match fields.value(field) {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            fields.problem(field, "must be an object");
            Map::new()
        }
    }
}

fn read_request(request: Map<String, Value>, api: &Api) -> Result<Request, ApiError> {
    let prefixed = |mut error: ApiError| {
        for detail in error.body.details.iter_mut().flatten() {
            detail.field.insert_str(0, "request.");
        }
        error
    };
    let mut fields = Fields::new(request);
    let (method, path) = (fields.text("method"), fields.text("path"));
    let headers = fields.value("headers").map(|value| texts("headers", value));
    let params = fields.value("params").map(|value| texts("params", value));
    let query = fields.value("query");
    let data = fields.value("body").map(|body| to_raw_value(&body)).transpose();
    fields.finish().map_err(prefixed)?;
    let headers = headers.transpose().map_err(prefixed)?;
    let params = params.transpose().map_err(prefixed)?.unwrap_or_default();
    if params.len() > MAX_PARAMS
        || params.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_PARAM_BYTES
    {
        let message = format!("may be {MAX_PARAMS} at most, of {MAX_PARAM_BYTES} bytes together");
        return Err(ApiError::invalid_field("request.params", message));
    }
    let data = data.map_err(|_| ApiError::invalid_field("request.body", "is not JSON"))?;
    let request = ExecuteRequest { data, headers, method, path, query, timeout_ms: None, version: None };
    let request = Request::read(request, api.ranges.longest_timeout()).map_err(prefixed)?;
    Ok(Request { params, ..request })
}

/// Texts by name; numbers are taken as their text, as senders of headers do.
fn texts(field: &str, value: Value) -> Result<std::collections::BTreeMap<String, String>, ApiError> {
    let wrong = || ApiError::invalid_field(field, "must be an object whose values are texts");
    let Value::Object(map) = value else { return Err(wrong()) };
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        _ => Err(wrong()),
    };
    map.into_iter().map(text).collect()
}
