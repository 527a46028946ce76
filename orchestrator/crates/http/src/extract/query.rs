//! Queries: the parameters by name, and pages of lists.

use axum::extract::FromRequestParts;
use cloudbox_types::PageRequest;
use http::request::Parts;

use crate::error::ApiError;

/// Items of a list's page, where the caller doesn't say.
const DEFAULT_LIMIT: u32 = 50;
/// Items of a list's page, at most.
const MAX_LIMIT: u32 = 1000;

/// The query's parameters, decoded. Of a name that repeats, the last one counts.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    /// Decodes a raw query.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// One parameter; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The same query without a parameter.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }

    /// One parameter, parsed.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with `wanted`, such as `must be …`.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, ApiError> {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid_field(name, wanted));
        self.get(name).map(parse).transpose()
    }

    /// A parameter that is `true`, `false`, `1` or `0`; absent is false.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for another word.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(ApiError::invalid_field(name, "must be true or false")),
        }
    }
}

/// `limit` and `cursor`.
///
/// # Errors
/// `VALIDATION_ERROR` for a limit out of range or a cursor that no list gave.
pub fn page_request(query: &Query) -> Result<PageRequest, ApiError> {
    let range = "must be a whole number from 1 to 1000";
    let limit = query.parsed("limit", range)?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::invalid_field("limit", range));
    }
    let after = query.parsed("cursor", "must be the next_cursor of an earlier answer")?;
    Ok(PageRequest { limit, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(query: &str) -> String {
        page_request(&Query::parse(query)).unwrap_err().body.details.unwrap().remove(0).field
    }

    #[test]
    fn a_page_has_a_limit_and_a_cursor() {
        assert_eq!(page_request(&Query::parse("")).unwrap(), PageRequest { limit: 50, after: None });
        let page = page_request(&Query::parse("limit=1000&cursor=7&other=x")).unwrap();
        assert_eq!(page, PageRequest { limit: 1000, after: Some(7) });
    }

    #[test]
    fn limits_out_of_range_and_odd_cursors_are_refused() {
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1.5"] {
            assert_eq!(field_of(bad), "limit", "{bad}");
        }
        assert_eq!(field_of("cursor=zzz"), "cursor");
    }

    #[test]
    fn flags_are_two_words() {
        assert!(Query::parse("wait=true").flag("wait").unwrap());
        assert!(!Query::parse("wait=").flag("wait").unwrap());
        assert!(Query::parse("wait=maybe").flag("wait").is_err());
    }

    #[test]
    fn parameters_are_decoded_and_the_last_counts() {
        assert_eq!(Query::parse("a=1&a=x%20y").get("a"), Some("x y"));
    }
}
