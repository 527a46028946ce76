//! A JSON object whose fields are taken one by one; what is wrong is collected, and what is left over is unknown.

use std::ops::RangeInclusive;

use cloudbox_api_types::ErrorDetail;
use serde_json::{Map, Value};

use super::body::kind;
use crate::error::{ApiError, detail};

/// Problems that are told at once; a body can have as many as it has bytes.
const MAX_PROBLEMS: usize = 50;

/// The fields of a request's body.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    known: Vec<&'static str>,
    /// Our name and the one that the body used.
    aliases: Vec<(&'static str, &'static str)>,
    problems: Vec<ErrorDetail>,
}

impl Fields {
    /// Nothing taken yet.
    #[must_use]
    pub const fn new(fields: Map<String, Value>) -> Self {
        Self { left: fields, known: Vec::new(), aliases: Vec::new(), problems: Vec::new() }
    }

    /// Gives a field that the body names in another way our own name; problems are told under the body's.
    pub fn rename(&mut self, theirs: &'static str, ours: &'static str) {
        let Some(value) = self.left.remove(theirs) else { return };
        if self.left.contains_key(ours) {
            self.problem(theirs, format!("means the same as {ours}: send one of them"));
            return;
        }
        self.left.insert(ours.to_owned(), value);
        self.aliases.push((ours, theirs));
    }

    /// Whether the body has a field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    /// Puts in a field as if the body had it.
    pub fn put(&mut self, field: &'static str, value: impl Into<Value>) {
        self.left.insert(field.to_owned(), value.into());
    }

    /// Puts in a field that the body doesn't have.
    pub fn put_default(&mut self, field: &'static str, value: impl Into<Value>) {
        if !self.left.contains_key(field) {
            self.put(field, value);
        }
    }

    /// The name of a field, or of what is below it, as the body has it.
    fn as_sent(&self, field: &str) -> Option<String> {
        self.aliases.iter().find_map(|(ours, theirs)| {
            let below = field.strip_prefix(ours)?;
            (below.is_empty() || below.starts_with(['.', '['])).then(|| format!("{theirs}{below}"))
        })
    }

    /// Takes a field as it is; none where it is absent. Null counts as absent.
    pub fn value(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a field that null clears: `Some(None)` for null.
    pub fn clearable(&mut self, field: &'static str) -> Option<Option<Value>> {
        self.known.push(field);
        self.left.remove(field).map(|value| Some(value).filter(|value| !value.is_null()))
    }

    /// Takes a text.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => Some(text),
            other => self.wrong(field, "a text", &other),
        }
    }

    /// Takes a text of at most `max` characters.
    pub fn short_text(&mut self, field: &'static str, lengths: RangeInclusive<usize>) -> Option<String> {
        let text = self.text(field)?;
        let len = text.chars().count();
        if lengths.contains(&len) {
            return Some(text);
        }
        let message = match lengths.start() {
            0 => format!("may have at most {} characters, not {len}", lengths.end()),
            start => format!("must have {start} to {} characters, not {len}", lengths.end()),
        };
        self.problem(field, message);
        None
    }

    /// Takes a boolean.
    pub fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(flag) => Some(flag),
            other => self.wrong(field, "true or false", &other),
        }
    }

    /// Takes a whole number within a range; `unit` is for the sentence.
    pub fn number(&mut self, field: &'static str, range: &RangeInclusive<u32>, unit: &str) -> Option<u32> {
        let value = self.value(field)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let space = if unit.is_empty() { "" } else { " " };
        let message =
            format!("must be a whole number from {} to {}{space}{unit}", range.start(), range.end());
        self.problem(field, message);
        None
    }

    /// Takes a decimal number within a range.
    pub fn decimal(&mut self, field: &'static str, range: &RangeInclusive<f64>, unit: &str) -> Option<f64> {
        let value = self.value(field)?;
        if let Some(number) = value.as_f64().filter(|number| range.contains(number)) {
            return Some(number);
        }
        self.problem(field, format!("must be a number from {} to {} {unit}", range.start(), range.end()));
        None
    }

    /// Takes a list of texts.
    pub fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        let Value::Array(items) = self.value(field)? else {
            self.problem(field, "must be a list of texts");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => {
                    self.problem(
                        format!("{field}[{index}]"),
                        format!("must be a text, not {}", kind(&other)),
                    );
                }
            }
        }
        Some(texts)
    }

    /// Takes an object whose values are texts.
    pub fn text_map(&mut self, field: &'static str) -> Option<Vec<(String, String)>> {
        let Value::Object(map) = self.value(field)? else {
            self.problem(field, "must be an object whose values are texts");
            return None;
        };
        let mut pairs = Vec::with_capacity(map.len());
        for (name, value) in map {
            match value {
                Value::String(text) => pairs.push((name, text)),
                other => {
                    self.problem(format!("{field}.{name}"), format!("must be a text, not {}", kind(&other)));
                }
            }
        }
        Some(pairs)
    }

    /// Notes a problem.
    pub fn problem(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            let field = field.into();
            let field = self.as_sent(&field).unwrap_or(field);
            self.problems.push(detail(field, message));
        }
    }

    /// Whether nothing was wrong so far.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    fn wrong<T>(&mut self, field: &'static str, wanted: &str, value: &Value) -> Option<T> {
        self.problem(field, format!("must be {wanted}, not {}", kind(value)));
        None
    }

    /// Ends the reading: what was not taken is unknown.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every problem.
    pub fn finish(mut self) -> Result<(), ApiError> {
        let mut known = self.known.clone();
        known.sort_unstable();
        let message = format!("is not a known field; known are {}", known.join(", "));
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        let unknown = self.left.keys().take(room).map(|field| detail(field.as_str(), message.as_str()));
        self.problems.extend(unknown);
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(map) => Fields::new(map),
            _ => panic!("an object"),
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let mut fields =
            fields(json!({"a": 1, "b": 0, "c": "x", "odd": true, "f": 9.5, "l": ["x", 1], "m": {"k": 2}}));
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.number("b", &(1..=3), "s"), None);
        assert_eq!(fields.flag("c"), None);
        assert_eq!(fields.decimal("f", &(0.0..=8.0), "cores"), None);
        fields.texts("l");
        fields.text_map("m");
        let details = fields.finish().unwrap_err().body.details.unwrap();
        let told: Vec<_> =
            details.iter().map(|detail| (detail.field.as_str(), detail.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("a", "must be a text, not a number"),
                ("b", "must be a whole number from 1 to 3 s"),
                ("c", "must be true or false, not a text"),
                ("f", "must be a number from 0 to 8 cores"),
                ("l[1]", "must be a text, not a number"),
                ("m.k", "must be a text, not a number"),
                ("odd", "is not a known field; known are a, b, c, f, l, m"),
            ]
        );
    }

    #[test]
    fn null_is_absence_unless_it_clears() {
        let mut fields = fields(json!({"a": null, "b": null}));
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.clearable("b"), Some(None));
        assert_eq!(fields.clearable("c"), None);
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn fractions_and_negative_numbers_are_no_whole_numbers() {
        for value in [json!(1.5), json!(-1), json!("1"), json!(4_294_967_296_u64), json!(true)] {
            let mut fields = fields(json!({ "n": value }));
            assert_eq!(fields.number("n", &(0..=10), ""), None);
            assert!(!fields.is_fine());
        }
    }
}
