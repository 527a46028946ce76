//! JSON text of what is written at every call: names and values go into the bytes one after the other, with no serialiser
//! between them, which takes two thirds of the instructions. It is what `serde_json` would have written, byte by byte.

use serde::Serialize;

/// An object that is being written.
#[derive(Debug)]
#[must_use = "it ends with Object::end"]
pub struct Object<'a> {
    into: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `into`.
    pub fn begin(into: &'a mut Vec<u8>) -> Self {
        into.push(b'{');
        Self { into, is_empty: true }
    }

    fn name(&mut self, name: &'static str) {
        if !std::mem::take(&mut self.is_empty) {
            self.into.push(b',');
        }
        self.into.push(b'"');
        self.into.extend_from_slice(name.as_bytes());
        self.into.extend_from_slice(b"\":");
    }

    /// A field with a text. The names of fields are words, which need no escapes.
    pub fn text(mut self, name: &'static str, text: &str) -> Self {
        self.name(name);
        put_text(self.into, text);
        self
    }

    /// Such a field, where the text is not empty.
    pub fn text_if_any(self, name: &'static str, text: &str) -> Self {
        if text.is_empty() { self } else { self.text(name, text) }
    }

    /// A field with a word that is known to need no escapes.
    pub fn word(mut self, name: &'static str, word: &str) -> Self {
        debug_assert!(!word.bytes().any(is_escaped), "{word}");
        self.name(name);
        put_word(self.into, word);
        self
    }

    /// A field with a list of pairs of texts, each a list of two.
    pub fn pairs(mut self, name: &'static str, pairs: &[(String, String)]) -> Self {
        self.name(name);
        self.into.push(b'[');
        for (at, (first, second)) in pairs.iter().enumerate() {
            self.into.extend_from_slice(if at == 0 { b"[" } else { b",[" });
            put_text(self.into, first);
            self.into.push(b',');
            put_text(self.into, second);
            self.into.push(b']');
        }
        self.into.push(b']');
        self
    }

    /// A field with any other value.
    ///
    /// # Panics
    /// Where the value is a map whose keys are no text.
    pub fn value(mut self, name: &'static str, value: &impl Serialize) -> Self {
        self.name(name);
        serde_json::to_writer(&mut *self.into, value).expect("what is written here has no keys but text");
        self
    }

    /// Such a field, where `is_there`.
    pub fn value_if(self, is_there: bool, name: &'static str, value: &impl Serialize) -> Self {
        if is_there { self.value(name, value) } else { self }
    }

    /// The object is whole.
    pub fn end(self) {
        self.into.push(b'}');
    }
}

/// Whether a byte of a text can't stand in JSON as it is.
const fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn put_word(into: &mut Vec<u8>, word: &str) {
    into.push(b'"');
    into.extend_from_slice(word.as_bytes());
    into.push(b'"');
}

fn put_text(into: &mut Vec<u8>, text: &str) {
    // All of it, without a branch for each byte: most texts have nothing to escape.
    if !text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
        return put_word(into, text);
    }
    serde_json::to_writer(into, text).expect("a text is always JSON");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_serde_writes() {
        let texts = [
            "",
            "plain",
            "é \u{7f} 😀",
            "a\"b\\c\n\t\u{0}\u{1f}\u{8}\u{c}",
            "a text of more than sixteen bytes\r",
        ];
        let pairs: Vec<_> = texts.iter().map(|text| ((*text).to_owned(), "second".to_owned())).collect();
        for text in texts {
            let mut bytes = Vec::new();
            Object::begin(&mut bytes)
                .text("text", text)
                .text_if_any("empty", "")
                .word("word", "0123-abc")
                .pairs("pairs", &pairs)
                .pairs("none", &[])
                .value("number", &-12.5)
                .value("absent", &None::<u8>)
                .value_if(false, "left", &1)
                .value_if(true, "right", &[1, 2])
                .end();
            let serde = serde_json::json!({ "text": text, "word": "0123-abc", "pairs": pairs, "none": [],
                "number": -12.5, "absent": null, "right": [1, 2] });
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), serde);
            let of_text = serde_json::to_string(text).unwrap();
            assert!(String::from_utf8(bytes).unwrap().starts_with(&format!("{{\"text\":{of_text},")));
        }
        let mut bytes = Vec::new();
        Object::begin(&mut bytes).end();
        assert_eq!(bytes, b"{}");
    }
}
