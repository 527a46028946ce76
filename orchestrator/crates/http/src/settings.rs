//! A function's settings out of a request's body: every field's type and range, and what only several say together.
//!
//! A create starts from the defaults, a PATCH from what is kept; both then apply the same fields.

pub mod environment;
mod image;
mod network;
mod runtime;
pub mod scaling;

use cloudbox_types::function::FunctionSettings;
use cloudbox_types::limits::Ranges;
use cloudbox_types::{HandlerStyle, Isolation, Limits, Name};

use crate::error::ApiError;
use crate::extract::Fields;

pub use runtime::KnownRuntimes;

/// Bytes of `code`.
pub const MAX_CODE_BYTES: usize = 1 << 20;
/// Dependencies of a function.
const MAX_DEPENDENCIES: usize = 200;
/// Thousandths of a core in a core.
const MILLIS: f64 = 1000.0;

/// The settings of a new function.
///
/// # Errors
/// `VALIDATION_ERROR` with every problem of the body.
pub fn create(
    mut fields: Fields,
    runtimes: &KnownRuntimes,
    ranges: &Ranges,
) -> Result<FunctionSettings, ApiError> {
    let name = name(&mut fields);
    if name.is_none() && fields.is_fine() {
        fields.problem("name", "is missing");
    }
    image::imply_runtime(&mut fields);
    let (runtime, language) = runtime::chosen(&mut fields, None, runtimes);
    // A name that is missing is a problem already, so the placeholder never leaves this function.
    let placeholder = || Name::new("unnamed").expect("letters only");
    let mut settings = FunctionSettings::new(name.unwrap_or_else(placeholder), runtime, language);
    settings.limits = ranges.usual();
    apply(&mut settings, &mut fields, ranges);
    fields.finish()?;
    Ok(settings)
}

/// The settings after a PATCH.
///
/// # Errors
/// `VALIDATION_ERROR` with every problem of the body.
pub fn patch(
    current: &FunctionSettings,
    mut fields: Fields,
    runtimes: &KnownRuntimes,
    ranges: &Ranges,
) -> Result<FunctionSettings, ApiError> {
    let mut settings = current.clone();
    if let Some(name) = name(&mut fields) {
        settings.name = name;
    }
    image::imply_runtime(&mut fields);
    (settings.runtime, settings.language) = runtime::chosen(&mut fields, Some(current), runtimes);
    apply(&mut settings, &mut fields, ranges);
    fields.finish()?;
    Ok(settings)
}

fn name(fields: &mut Fields) -> Option<Name> {
    match Name::new(fields.text("name")?) {
        Ok(name) => Some(name),
        Err(error) => {
            fields.problem("name", error.to_string());
            None
        }
    }
}

fn apply(settings: &mut FunctionSettings, fields: &mut Fields, ranges: &Ranges) {
    set(&mut settings.description, fields.short_text("description", 0..=2000));
    let code = code(fields);
    let has_code = code.is_some();
    if has_code {
        settings.code = code;
        // A function has one source: the last one that it was given.
        settings.package = None;
    }
    image::apply(settings, fields, has_code);
    set(&mut settings.entry_point, entry_point(fields));
    set(&mut settings.handler_style, word(fields, "handler_style", &HandlerStyle::ALL));
    set(
        &mut settings.isolation,
        word(fields, "isolation", &[Isolation::Version, Isolation::Process, Isolation::Invocation]),
    );
    apply_limits(&mut settings.limits, fields, ranges);
    environment::apply(&mut settings.environment, fields);
    set(&mut settings.dependencies, dependencies(fields));
    set(&mut settings.is_public, fields.flag("is_public"));
    set(&mut settings.is_active, fields.flag("is_active"));
    set(&mut settings.expose_errors, fields.flag("expose_errors"));
    network::apply(settings, fields, ranges.egress.as_ref());
    scaling::apply(settings, fields);
}

/// Those that are given: a function that was made under wider ranges keeps what it has until that is changed.
fn apply_limits(own: &mut Limits, fields: &mut Fields, ranges: &Ranges) {
    set(&mut own.timeout_s, fields.number("timeout", &ranges.timeout_s, "(seconds)"));
    set(&mut own.memory_mb, fields.number("memory", &ranges.memory_mb, "(MB)"));
    set(&mut own.tmp_mb, fields.number("tmp_mb", &ranges.tmp_mb, "(MB)"));
    set(&mut own.pids, fields.number("pids", &ranges.pids, "(processes and threads)"));
    let cores = f64::from(*ranges.cpu_millis.start()) / MILLIS..=f64::from(*ranges.cpu_millis.end()) / MILLIS;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of the range, as checked")]
    let millis = fields.decimal("cpu", &cores, "(cores)").map(|cores| (cores * MILLIS).round() as u32);
    set(&mut own.cpu_millis, millis);
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn code(fields: &mut Fields) -> Option<String> {
    let code = fields.text("code")?;
    if code.trim().is_empty() {
        fields.problem("code", "must not be empty");
        return None;
    }
    if code.len() > MAX_CODE_BYTES {
        fields.problem("code", format!("may have at most {MAX_CODE_BYTES} bytes, not {}", code.len()));
        return None;
    }
    if code.contains('\0') {
        fields.problem("code", "must not hold NUL characters");
        return None;
    }
    Some(code)
}

/// Identifiers with dots between: `handler`, `index.handler`, `main`. Nothing that could be a path.
fn entry_point(fields: &mut Fields) -> Option<String> {
    let text = fields.short_text("entry_point", 1..=128)?;
    let is_word = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-');
        !part.is_empty() && part.chars().all(plain)
    };
    if text.split('.').all(is_word) {
        return Some(text);
    }
    fields.problem("entry_point", "must be names with dots between, such as handler or index.handler");
    None
}

/// One of a few words, as serde writes them.
fn word<T: Copy + serde::Serialize>(fields: &mut Fields, field: &'static str, all: &[T]) -> Option<T> {
    let text = fields.text(field)?;
    let words: Vec<_> = all.iter().map(|value| serde_json::to_value(value).unwrap_or_default()).collect();
    let words: Vec<_> = words.iter().filter_map(serde_json::Value::as_str).collect();
    if let Some(at) = words.iter().position(|word| *word == text) {
        return Some(all[at]);
    }
    fields.problem(field, format!("{text:?} is not available; available: {}", words.join(", ")));
    None
}

fn dependencies(fields: &mut Fields) -> Option<std::collections::BTreeMap<String, String>> {
    let pairs = fields.text_map("dependencies")?;
    if pairs.len() > MAX_DEPENDENCIES {
        fields.problem("dependencies", format!("may have at most {MAX_DEPENDENCIES} packages"));
    }
    for (name, version) in &pairs {
        if !is_package(name) || !is_version(version) {
            fields.problem(
                format!("dependencies.{name}"),
                "must be a package's name with the version wanted, such as \"^1.0.0\": no URL, path or option",
            );
        }
    }
    Some(pairs.into_iter().collect())
}

/// What a name in any language's registry is made of; a deployment checks the language's own rule.
fn is_package(name: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphanumeric() || c == '@';
    let plain = |c: char| c.is_ascii_alphanumeric() || "@/._~-[],".contains(c);
    name.len() <= 214 && name.starts_with(starts) && name.chars().all(plain)
}

/// What versions wanted are made of. One that begins with a hyphen would be read as an option.
fn is_version(version: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .^~<>=!|*+,_-".contains(c);
    version.len() <= 256 && !version.starts_with('-') && version.chars().all(plain)
}

#[cfg(test)]
mod tests;
