//! `traceparent` of W3C: a call continues its caller's trace.

use http::{HeaderMap, HeaderValue};

/// The header's name.
pub const NAME: &str = "traceparent";

/// A new span of the trace that a request's headers name; none where they name none, or not rightly.
#[must_use]
pub fn child_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let parent = headers.get(NAME)?.to_str().ok()?;
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(span, 16)
        && is_set(span)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    if !is_valid {
        return None;
    }
    // Zero is no span: the lowest bit keeps it away.
    let own = rand::random::<u64>() | 1;
    HeaderValue::try_from(format!("00-{trace}-{own:016x}-{flags}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(parent: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, HeaderValue::from_str(parent).unwrap());
        child_of(&headers).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_trace_goes_on_in_a_new_span() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let child = child(&format!("00-{trace}-b7ad6b7169203331-01")).unwrap();
        assert!(child.starts_with(&format!("00-{trace}-")) && child.ends_with("-01"), "{child}");
        assert!(!child.contains("b7ad6b7169203331"));
        assert_eq!(child.len(), 55);
    }

    #[test]
    fn what_is_no_traceparent_is_passed_over() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(child(bad), None, "{bad}");
        }
    }
}
