//! JSON of strangers, bounded before anybody recurses into it: how deep it is, keys that stand twice, texts cut to what
//! they take in a document.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Levels of a request's JSON: parsers of some languages recurse.
pub const MAX_REQUEST_DEPTH: usize = 128;
/// Levels of a result.
pub const MAX_RESULT_DEPTH: usize = 512;

/// Whether a parser would come to a level beyond `max`, in JSON or in a text that begins as if it were.
#[must_use]
pub fn is_deeper_than(max: usize, bytes: &[u8]) -> bool {
    let opening = bytes.iter().filter(|&&byte| byte == b'[' || byte == b'{').count();
    opening > max && depth(valid_begin(bytes)) > max
}

/// What is JSON of these bytes: all of them, or those before the first mistake.
fn valid_begin(bytes: &[u8]) -> &[u8] {
    // Values that are ignored are read without recursion.
    let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) else { return bytes };
    let before = error.line().saturating_sub(1);
    let lines: usize = bytes.split_inclusive(|&byte| byte == b'\n').take(before).map(<[u8]>::len).sum();
    &bytes[..(lines + error.column()).min(bytes.len())]
}

/// The deepest level of valid JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut is_escaped) = (0_usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// At most so much of a text that it takes `limit` bytes in a JSON document.
#[must_use]
pub fn cut(mut text: String, limit: usize) -> String {
    let mut len = 0;
    let end = text.char_indices().find_map(|(at, character)| {
        len += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            _ => character.len_utf8(),
        };
        (len > limit).then_some(at)
    });
    if let Some(end) = end {
        text.truncate(end);
    }
    text
}

/// A value in which no object has a key twice: two readers could each take another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            let Unique(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn depth_counts_what_is_outside_of_texts() {
        assert_eq!(depth(br#"{"a": ["[[[", {"b\"[": 1}]}"#), 3);
        assert!(!is_deeper_than(128, nested(128).as_bytes()));
        for deep in [129, 100_000, 1_000_000] {
            assert!(is_deeper_than(128, nested(deep).as_bytes()), "{deep}");
        }
    }

    #[test]
    fn what_begins_like_deep_json_counts_and_other_text_does_not() {
        assert!(is_deeper_than(128, "[".repeat(100_000).as_bytes()));
        assert!(is_deeper_than(128, format!("{{\"a\":\n{}", "[\n".repeat(200)).as_bytes()));
        assert!(!is_deeper_than(128, format!("see: {}", "[".repeat(1000)).as_bytes()));
        assert!(!is_deeper_than(128, format!("[1,\n2,,{}", "[".repeat(1000)).as_bytes()));
        assert!(!is_deeper_than(128, format!("{:?}", "[".repeat(1000)).as_bytes()));
    }

    #[test]
    fn texts_are_cut_to_what_they_take() {
        assert_eq!(cut("abc".to_owned(), 3), "abc");
        assert_eq!(cut("aé".to_owned(), 2), "a", "no half character");
        assert_eq!(cut("\u{1}\u{1}".to_owned(), 11), "\u{1}");
        for text in ["\"\\\n\u{0}\u{7f}é", "\u{1b}[31m", "\u{2028}"] {
            let written = serde_json::to_string(text).unwrap().len() - 2;
            assert_eq!(cut(text.to_owned(), written), text);
            assert_ne!(cut(text.to_owned(), written - 1), text);
        }
    }

    #[test]
    fn a_key_stands_once() {
        let read = |text: &str| serde_json::from_str::<Unique>(text).map(|Unique(value)| value);
        let text = r#"{"a":[1,-2,0.5,"x",true,null,{"b":{}}],"c":18446744073709551615}"#;
        assert_eq!(read(text).unwrap().to_string(), text);
        for twice in [r#"{"a":1,"a":1}"#, r#"{"e":{"A":"1","B":"","A":"2"}}"#, r#"[{"a":1,"\u0061":2}]"#] {
            assert!(read(twice).unwrap_err().to_string().contains("duplicate field"), "{twice}");
        }
    }
}
