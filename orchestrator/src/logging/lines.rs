//! One record, one line: what a record quotes can't begin another one, or speak to the terminal that shows it.

use std::fmt::Write as _;
use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

/// Makes a writer for each record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<W> {
    /// Where lines go.
    pub(super) to: W,
    /// How what may not stand in a line is written.
    pub(super) format: LogFormat,
    /// Whether the escape character may stay: it begins our own colours.
    pub(super) has_colours: bool,
}

impl<'a, T: io::Write, W: Fn() -> T> MakeWriter<'a> for Lines<W> {
    type Writer = Line<T>;

    fn make_writer(&'a self) -> Line<T> {
        Line { to: (self.to)(), format: self.format, has_colours: self.has_colours }
    }
}

/// Writes one record, which comes whole.
#[derive(Debug)]
pub(super) struct Line<T> {
    to: T,
    format: LogFormat,
    has_colours: bool,
}

impl<T: io::Write> io::Write for Line<T> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = String::with_capacity(text.len() + 1);
        for character in text.chars() {
            let is_colour = self.has_colours && character == '\u{1b}';
            let ends_lines = matches!(character, '\u{2028}' | '\u{2029}');
            if is_colour || !(character.is_control() || ends_lines) {
                line.push(character);
                continue;
            }
            // Writing into a text can't fail.
            let _ = match self.format {
                LogFormat::Text => write!(line, "{}", character.escape_default()),
                LogFormat::Json => write!(line, "\\u{:04x}", u32::from(character)),
            };
        }
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn line(format: LogFormat, has_colours: bool, record: &str) -> String {
        let mut to = Vec::new();
        let lines = Line { to: &mut to, format, has_colours };
        { lines }.write_all(record.as_bytes()).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn a_record_is_one_line_without_controls() {
        let record = "INFO a\r\nERROR forged \u{1b}[2J\u{9b}31m\u{7}\u{7f}\u{2028}é\n";
        assert_eq!(
            line(LogFormat::Text, false, record),
            "INFO a\\r\\nERROR forged \\u{1b}[2J\\u{9b}31m\\u{7}\\u{7f}\\u{2028}é\n"
        );
        assert!(line(LogFormat::Text, true, record).contains("\u{1b}[2J\\u{9b}"));
    }

    #[test]
    fn json_stays_json_and_means_the_same() {
        let meant = "a\u{9b}\u{7f}\u{2029}\n";
        let record = serde_json::to_string(meant).unwrap() + "\n";
        let written = line(LogFormat::Json, false, &record);
        assert!(!written.trim_end_matches('\n').contains(char::is_control), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), meant);
    }
}
