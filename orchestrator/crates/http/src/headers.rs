//! Which headers a function sees, and which of its own are sent.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that are about one connection, or that the server itself decides.
fn is_of_the_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "date"
    )
}

/// Headers that speak for the whole origin, which functions share with the API and with each other, or to a proxy in
/// front of the service; and what only the product says.
fn is_of_the_origin(name: &str) -> bool {
    matches!(
        name,
        "alt-svc"
            | "clear-site-data"
            | "nel"
            | "origin-agent-cluster"
            | "public-key-pins"
            | "public-key-pins-report-only"
            | "report-to"
            | "service-worker-allowed"
            | "strict-transport-security"
            | "x-lighttpd-send-file"
            | "x-sendfile"
    ) || name.starts_with("x-cloudbox-")
        || name.starts_with("x-accel-")
}

/// Names that a `Connection` header makes the connection's own.
fn named<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names = values.flat_map(|value| value.split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// A request's headers as the function sees them. A credential that was ours is not for the function's eyes.
#[must_use]
pub fn into_function(
    headers: &HeaderMap,
    has_caller: bool,
    traceparent: Option<&HeaderValue>,
) -> Vec<(String, String)> {
    let connection = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let connection = named(connection);
    let mut seen: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !(has_caller && *name == header::AUTHORIZATION))
        .filter(|(name, _)| {
            *name == header::CONTENT_LENGTH || *name == header::DATE || !is_of_the_connection(name.as_str())
        })
        .filter(|(name, _)| name.as_str() != crate::trace::NAME)
        .filter(|(name, _)| !connection.iter().any(|own| own == name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect();
    if let Some(value) = traceparent.and_then(|value| value.to_str().ok()) {
        seen.push((crate::trace::NAME.to_owned(), value.to_owned()));
    }
    seen
}

/// UTF-8, else Latin-1, which headers were made for: no byte is lost.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// Adds a function's headers to an answer, but for those that aren't its own to set.
pub fn out_of_function(own: &[(String, String)], headers: &mut HeaderMap) {
    let connection = own.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let connection = named(connection.map(|(_, value)| value.as_str()));
    for (name, value) in own {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            continue;
        };
        let text = name.as_str();
        let is_foreign = is_of_the_connection(text)
            || is_of_the_origin(text)
            || connection.iter().any(|named| named == text);
        if !is_foreign {
            headers.append(name, value);
        }
    }
}

/// Keeps a browser from trusting an answer of a function's route with the origin that it shares with the API.
pub fn confine(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn headers_of_the_connection_and_of_ours_are_dropped() {
        let own = pairs(&[
            ("content-type", "text/plain"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("strict-transport-security", "max-age=1"),
            ("x-accel-redirect", "/internal"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "7"),
            ("X-Cloudbox-Start", "forged"),
            ("bad name", "x"),
            ("bad-value", "x\r\ny: z"),
        ]);
        let mut headers = HeaderMap::new();
        out_of_function(&own, &mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "set-cookie"]);
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_functions_own_policy_can_only_add() {
        let mut headers = HeaderMap::new();
        out_of_function(&pairs(&[("content-security-policy", "default-src *")]), &mut headers);
        confine(&mut headers);
        let all: Vec<_> = headers.get_all("content-security-policy").iter().collect();
        assert_eq!(all, ["default-src *", "sandbox"]);
    }

    #[test]
    fn our_credential_is_not_for_the_function() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, X-Hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.insert("x-own", HeaderValue::from_static("1"));
        assert_eq!(into_function(&headers, true, None), pairs(&[("x-own", "1")]));
        let seen = into_function(&headers, false, None);
        assert!(seen.contains(&("authorization".to_owned(), "Bearer x".to_owned())));
    }

    #[test]
    fn values_are_utf_8_or_latin_1() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_bytes("é".as_bytes()).unwrap());
        headers.append("x-a", HeaderValue::from_bytes(b"\xe9").unwrap());
        assert_eq!(into_function(&headers, false, None), pairs(&[("x-a", "é"), ("x-a", "é")]));
    }

    #[test]
    fn the_function_continues_the_trace() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static("00-parent"));
        let child = HeaderValue::from_static("00-child");
        assert_eq!(into_function(&headers, false, Some(&child)), pairs(&[("traceparent", "00-child")]));
    }
}
