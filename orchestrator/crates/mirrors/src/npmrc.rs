//! What npm's settings files name besides registries: variables of the environment, and files.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// How the user's settings say where those are.
pub(crate) const GLOBAL: &str = "globalconfig";

/// Settings whose value is a path: for all registries, and for those of one (`//host/:certfile`).
const PATHS: [&str; 4] = ["cafile", "certfile", "keyfile", GLOBAL];

/// A variable as npm writes it: `${NAME}`, or `${NAME?}` where it may be missing; not after a backslash.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    let variable = r"(\\*)\$\{([^${}?]+)(\?)?\}";
    Regex::new(variable).expect("it is a constant, and tests use it")
});

/// The text with the values of its variables. Those that are not there stay, as npm leaves them.
pub(crate) fn expanded(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let line = |line: &str| {
        let is_quoted = value_of(line).is_some_and(|(_, value)| value.starts_with(['"', '\'']));
        let filled = VARIABLE.replace_all(line, |found: &Captures<'_>| {
            if found[1].len() % 2 == 1 {
                return found[0].to_owned();
            }
            // A value of several lines would become settings of its own.
            let value = lookup(&found[2]).filter(|value| !value.contains(['\n', '\r']));
            match (value, found.get(3)) {
                (Some(value), _) if is_quoted => format!("{}{value}", &found[1]),
                (Some(value), _) => format!("{}{}", &found[1], escaped(&value)),
                (None, Some(_)) => found[1].to_owned(),
                (None, None) => found[0].to_owned(),
            }
        });
        filled.into_owned()
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The text with each path replaced by what `place` says of it: it is given the setting and its path.
pub(crate) fn with_paths(text: &str, place: &mut dyn FnMut(&str, &str) -> Option<String>) -> String {
    let mut line = |line: &str| {
        let (key, value) = value_of(line)?;
        let name = key.rsplit(':').next().filter(|name| PATHS.contains(name))?;
        let path = unquoted(value).filter(|path| *path != "null")?;
        Some(format!("{key}={}", place(name, path)?))
    };
    text.split('\n').map(|it| line(it).unwrap_or_else(|| it.to_owned())).collect::<Vec<_>>().join("\n")
}

/// What a setting says; the last line counts.
pub(crate) fn setting<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let said = text.lines().rev().filter_map(value_of).find(|(key, _)| *key == name);
    said.and_then(|(_, value)| unquoted(value))
}

/// A line's key and value; none for comments.
fn value_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with([';', '#', '[']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}

/// A value without its quotes, or without the comment behind it.
fn unquoted(value: &str) -> Option<&str> {
    let quoted = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let value = quoted.unwrap_or_else(|| value.split([';', '#']).next().unwrap_or(value).trim());
    Some(value).filter(|value| !value.is_empty())
}

/// A value of which nothing is read as a comment.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ';' | '#') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_their_values() {
        let lookup = |name: &str| match name {
            "TOKEN" => Some("a;b#c".to_owned()),
            "HOST" => Some("npm.corp".to_owned()),
            "LINES" => Some("a\nregistry=evil".to_owned()),
            _ => None,
        };
        let text = "registry=https://${HOST}/\n//${HOST}/:_authToken=${TOKEN}\n//x/:_password=\"${TOKEN}\"\n\
                    a=\\${HOST}\nb=${NONE}\nc=${NONE?}d\ne=${LINES}\n";
        let expected = "registry=https://npm.corp/\n//npm.corp/:_authToken=a\\;b\\#c\n//x/:_password=\"a;b#c\"\n\
                        a=\\${HOST}\nb=${NONE}\nc=d\ne=${LINES}\n";
        assert_eq!(expanded(text, &lookup), expected);
    }

    #[test]
    fn paths_are_found() {
        let text = "; cafile=/no\ncafile = ~/ca.pem ; ours\n//npm.corp/:certfile=\"/a b.pem\"\n//npm.corp/:keyfile='/k'\n\
                    cafile=null\ncafile=\nca=\"-----BEGIN\"\ncafile=/kept\n";
        let mut seen = Vec::new();
        let replaced = with_paths(text, &mut |name, path| {
            seen.push(format!("{name} {path}"));
            (path != "/kept").then(|| format!("/in/{}", seen.len()))
        });
        assert_eq!(seen, ["cafile ~/ca.pem", "certfile /a b.pem", "keyfile /k", "cafile /kept"]);
        let expected = "; cafile=/no\ncafile=/in/1\n//npm.corp/:certfile=/in/2\n//npm.corp/:keyfile=/in/3\n\
                        cafile=null\ncafile=\nca=\"-----BEGIN\"\ncafile=/kept\n";
        assert_eq!(replaced, expected);
        assert_eq!(setting(text, "cafile"), Some("/kept"));
        assert_eq!(setting("globalconfig=/a\n# globalconfig=/b\n", "globalconfig"), Some("/a"));
    }
}
