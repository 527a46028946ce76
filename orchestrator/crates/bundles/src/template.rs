//! Texts with `{names}`.

/// Fills in what `value` knows. A `{` without a name and a `}` after it stays as it is.
///
/// # Errors
/// The first name that `value` doesn't know.
pub fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) if is_name(name) => {
                filled.push_str(&value(name).ok_or_else(|| name.to_owned())?);
                rest = tail;
            }
            _ => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Whether `text` is of the form of `pattern`, in which `*` stands for any text.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.strip_prefix(start).is_some_and(|rest| {
            // The tail may begin at any place of what is left.
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(end, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        let value = |name: &str| (name == "main").then(|| "index.js".to_owned());
        assert_eq!(fill("/w/{main}!", &value).as_deref(), Ok("/w/index.js!"));
        assert_eq!(fill("a {} {B} {", &value).as_deref(), Ok("a {} {B} {"));
        assert_eq!(fill("{main}{other}", &value), Err("other".to_owned()));
    }

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("python3.*", "python3.12"));
        assert!(matches("*_test.go", "a_test.go"));
        assert!(matches("a*b*c", "axbybc"));
        assert!(matches("*", ""));
        assert!(!matches("python3.*", "python3"));
        assert!(!matches("*.go", "go.mod"));
    }
}
