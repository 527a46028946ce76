//! `--env` and `--env-file`: environment variables on the way to a function.

use std::collections::BTreeMap;
use std::path::Path;

use super::Args;
use crate::Error;

/// The variables that the command line names, by name; `--env` wins over the file.
///
/// # Errors
/// The file can't be read, or something is no `KEY=VALUE`.
pub fn named(args: &Args) -> Result<BTreeMap<String, String>, Error> {
    let mut variables = match &args.env_file {
        Some(path) => read_file(path)?,
        None => BTreeMap::new(),
    };
    for pair in &args.env {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            // The value may be a secret, so only what stands before a `=` is repeated.
            Error::Usage("--env must be KEY=VALUE".to_owned())
        })?;
        variables.insert(key.to_owned(), value.to_owned());
    }
    Ok(variables)
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::reading(path))?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            parse_line(line).ok_or_else(|| Error::BadFile {
                path: path.to_owned(),
                message: format!("line {number} must be KEY=VALUE"),
            })
        })
        .collect()
}

/// `KEY=VALUE` with an optional `export` before it; the value may be quoted, and `\n` counts in double quotes.
fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.contains(char::is_whitespace) {
        return None;
    }
    let value = if let Some(inner) = quoted(value, '\'') {
        inner.to_owned()
    } else if let Some(inner) = quoted(value, '"') {
        unescaped(inner)
    } else {
        value.split(" #").next().unwrap_or_default().trim_end().to_owned()
    };
    Some((key.to_owned(), value))
}

fn quoted(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        plain.push(match characters.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(other) => other,
            None => '\\',
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_shells_read_them() {
        for (line, expected) in [
            ("A=1", Some(("A", "1"))),
            ("export A = b c ", Some(("A", "b c"))),
            ("A=b # why", Some(("A", "b"))),
            ("A=b#c", Some(("A", "b#c"))),
            ("A='b # c'", Some(("A", "b # c"))),
            (r#"A="x\ny\"z\\""#, Some(("A", "x\ny\"z\\"))),
            ("A='x\\n'", Some(("A", "x\\n"))),
            ("A=", Some(("A", ""))),
            ("A=b=c", Some(("A", "b=c"))),
            ("=b", None),
            ("A B=c", None),
            ("word", None),
        ] {
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(parse_line(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_by_its_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# fine\nA=1\n\nhunter2\n").unwrap();
        let message = read_file(file.path()).unwrap_err().to_string();
        assert!(message.ends_with("line 4 must be KEY=VALUE") && !message.contains("hunter2"), "{message}");
    }
}
