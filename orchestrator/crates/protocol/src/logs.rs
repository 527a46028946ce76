//! What one call printed: bounded, marked where it was cut, never parsed.
//!
//! Structured lines are text among the rest, so that there is one log in one order; marks tell where they are.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::message::LogLine;

/// Collects at most `limit` bytes and counts the rest.
#[derive(Clone, Debug)]
pub struct Logs {
    bytes: Vec<u8>,
    limit: usize,
    dropped: u64,
    /// Boxed, since most calls have none and errors carry their logs.
    marks: Option<Box<Marks>>,
}

#[derive(Clone, Debug, Default)]
struct Marks(Vec<Mark>);

/// Where a structured line is in the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    start: usize,
    message: usize,
    fields: usize,
    end: usize,
    level: Level,
    /// Milliseconds since 1970.
    at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Of the word that a shim sent; what is none of them is as good as `info`.
    fn of(word: &str) -> Self {
        match word {
            "debug" => Self::Debug,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Info,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line of a log, structured or printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `debug`, `info`, `warn`, `error`; `info` for what was printed.
    pub level: &'static str,
    /// The sentence, or the line as it was printed.
    pub message: String,
    /// More about it; none for what was printed.
    pub fields: Map<String, Value>,
    /// Milliseconds since 1970; none for what was printed before the first structured line, else that of the last one.
    pub at_ms: Option<i64>,
}

impl Logs {
    /// Room for `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, dropped: 0, marks: None }
    }

    /// Keeps what fits of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        let kept = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
    }

    /// Keeps a structured line as text: the level, the sentence, and the fields as JSON where there are some.
    pub fn push_line(&mut self, line: &LogLine) {
        let mut text = format!("[{}] ", line.level.to_uppercase());
        let start = self.bytes.len();
        let message = start + text.len();
        text.push_str(&line.message);
        let fields = start + text.len();
        if !line.fields.is_empty() {
            text.push(' ');
            text.push_str(&Value::Object(line.fields.clone()).to_string());
        }
        text.push('\n');
        self.push(text.as_bytes());
        let end = start + text.len();
        if end == self.bytes.len() {
            let level = Level::of(&line.level);
            let marks = &mut self.marks.get_or_insert_default().0;
            marks.push(Mark { start, message, fields, end, level, at_ms: now_ms() });
        }
    }

    /// Counts bytes that there is no room for elsewhere.
    pub const fn cut(&mut self, bytes: usize) {
        self.dropped += bytes as u64;
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let marks = self.marks.as_ref().map_or(0, |marks| marks.0.len());
        self.bytes.len() + marks * size_of::<Mark>()
    }

    /// What was kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nothing was printed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether what was kept has these bytes in it.
    #[must_use]
    pub fn contains(&self, part: &[u8]) -> bool {
        !part.is_empty() && self.bytes.windows(part.len()).any(|window| window == part)
    }

    /// The text: what is not UTF-8 replaced, and a last line that says how much was cut off.
    #[must_use]
    pub fn into_text(self) -> String {
        self.into_marked().0
    }

    /// The text, and the marks of its structured lines.
    #[must_use]
    pub fn into_marked(self) -> (String, Vec<Mark>) {
        let mut marks = self.marks.map(|marks| marks.0).unwrap_or_default();
        let mut text = match String::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => {
                let (text, moved) = replaced(error.as_bytes(), marks);
                marks = moved;
                text
            }
        };
        if self.dropped > 0 {
            text.push_str(&format!(
                "\n… [{} more bytes were cut off: the limit is {}]\n",
                self.dropped, self.limit
            ));
        }
        (text, marks)
    }
}

impl Mark {
    /// For a text that stands further back.
    #[must_use]
    pub fn shifted(self, by: usize) -> Self {
        let Self { start, message, fields, end, .. } = self;
        Self { start: start + by, message: message + by, fields: fields + by, end: end + by, ..self }
    }
}

/// What is not UTF-8 replaced, which makes the text longer, and the marks moved along. Structured lines are UTF-8.
fn replaced(bytes: &[u8], marks: Vec<Mark>) -> (String, Vec<Mark>) {
    let (mut text, mut moved, mut done) = (String::new(), Vec::with_capacity(marks.len()), 0);
    for mark in marks {
        text.push_str(&String::from_utf8_lossy(&bytes[done..mark.start]));
        let by = text.len() - mark.start;
        text.push_str(&String::from_utf8_lossy(&bytes[mark.start..mark.end]));
        done = mark.end;
        moved.push(mark.shifted(by));
    }
    text.push_str(&String::from_utf8_lossy(&bytes[done..]));
    (text, moved)
}

/// The lines of a text, in order: the structured ones as they were sent, the printed ones as they are.
#[must_use]
pub fn lines(text: &str, marks: &[Mark]) -> Vec<Line> {
    let (mut found, mut done, mut at_ms) = (Vec::new(), 0, None);
    let print = |found: &mut Vec<Line>, part: &str, at_ms| {
        let printed = part.lines().filter(|line| !line.is_empty());
        found.extend(printed.map(|line| Line {
            level: "info",
            message: line.to_owned(),
            fields: Map::new(),
            at_ms,
        }));
    };
    for mark in marks {
        print(&mut found, text.get(done..mark.start).unwrap_or_default(), at_ms);
        let part = |from, to| text.get(from..to).unwrap_or_default();
        at_ms = Some(mark.at_ms);
        found.push(Line {
            level: mark.level.as_str(),
            message: part(mark.message, mark.fields).to_owned(),
            fields: serde_json::from_str(part(mark.fields, mark.end).trim()).unwrap_or_default(),
            at_ms,
        });
        done = mark.end;
    }
    print(&mut found, text.get(done..).unwrap_or_default(), at_ms);
    found
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_and_says_so() {
        let mut logs = Logs::new(4);
        logs.push(b"abc");
        logs.push(b"def");
        assert_eq!(logs.into_text(), "abcd\n… [2 more bytes were cut off: the limit is 4]\n");
    }

    #[test]
    fn parts_are_found() {
        let mut logs = Logs::new(10);
        logs.push(b"abcdef");
        assert!(logs.contains(b"cde") && !logs.contains(b"ce") && !logs.contains(b""));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut logs = Logs::new(10);
        logs.push(&[b'a', 0xff, b'b']);
        assert_eq!(logs.into_text(), "a\u{fffd}b");
    }

    fn line(level: &str, message: &str, fields: &str) -> LogLine {
        LogLine {
            nonce: String::new(),
            level: level.to_owned(),
            message: message.to_owned(),
            fields: serde_json::from_str(fields).unwrap(),
        }
    }

    #[test]
    fn structured_lines_are_found_among_what_was_printed() {
        let mut logs = Logs::new(200);
        logs.push(b"one\xff\n\ntwo\n");
        logs.push_line(&line("warn", "odd {\"a\": 1}\nso", "{\"n\": [1, \"\u{fc}\"]}"));
        logs.push(b"[ERROR] printed {}\n");
        logs.push_line(&line("loud", "plain", "{}"));
        let (text, marks) = logs.into_marked();
        assert_eq!(
            text,
            "one\u{fffd}\n\ntwo\n[WARN] odd {\"a\": 1}\nso {\"n\":[1,\"\u{fc}\"]}\n[ERROR] printed {}\n[LOUD] plain\n"
        );
        let found = lines(&text, &marks);
        let told: Vec<_> = found.iter().map(|line| (line.level, line.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("info", "one\u{fffd}"),
                ("info", "two"),
                ("warn", "odd {\"a\": 1}\nso"),
                ("info", "[ERROR] printed {}"),
                ("info", "plain"),
            ]
        );
        assert_eq!(found[2].fields["n"][1], "\u{fc}");
        assert!(found[0].at_ms.is_none() && found[2].at_ms.is_some() && found[3].at_ms == found[2].at_ms);
        let moved: Vec<Mark> = marks.into_iter().map(|mark| mark.shifted(5)).collect();
        assert_eq!(lines(&format!("load\n{text}"), &moved)[3].message, "odd {\"a\": 1}\nso");
    }

    #[test]
    fn a_structured_line_that_was_cut_is_text_alone() {
        let mut logs = Logs::new(10);
        logs.push_line(&line("info", "a", "{}"));
        logs.push_line(&line("info", "b", "{}"));
        let (text, marks) = logs.into_marked();
        assert!(text.starts_with("[INFO] a\n["), "{text}");
        assert_eq!(marks.len(), 1);
    }
}
