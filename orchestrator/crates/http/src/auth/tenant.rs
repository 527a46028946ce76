//! Which project a request means whose path doesn't say: the header `X-Project-Id`, else the host, else the default one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use cloudbox_types::ProjectId;
use http::request::Parts;
use http::{HeaderMap, Uri, header};

use crate::api::Api;
use crate::error::ApiError;

/// The header with a project's id or slug.
pub const HEADER: &str = "x-project-id";
/// The project that the first start makes.
const DEFAULT: ProjectId = ProjectId(1);

/// The id or slug of the project that a request means.
///
/// # Errors
/// `VALIDATION_ERROR` for a header that is no text or stands twice; the store's.
pub async fn meant(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<String, ApiError> {
    if let Some(named) = named(headers)? {
        return Ok(named);
    }
    // A project's slug as the first part of the host: shop.functions.example.com.
    if let Some(label) = host(headers, uri).and_then(first_label)
        && api.table.project(label).await?.is_some()
    {
        return Ok(label.to_owned());
    }
    Ok(DEFAULT.to_string())
}

/// As [`meant`], for handlers. Taken after [`super::Caller`], so that nothing is looked up for nobody.
#[derive(Clone, Debug)]
pub struct Tenant(pub String);

impl FromRequestParts<Arc<Api>> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        meant(api, &parts.headers, &parts.uri).await.map(Self)
    }
}

fn named(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        _ => Err(ApiError::invalid_field("X-Project-Id", "must be one project's id or slug")),
    }
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    uri.host().or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// The first of several labels, where it could be a slug; none for an address.
fn first_label(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let (label, rest) = name.split_once('.')?;
    let is_name = !rest.is_empty() && name.parse::<IpAddr>().is_err();
    (is_name && !label.bytes().all(|byte| byte.is_ascii_digit())).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_first_label_and_an_address_has_none() {
        for (host, label) in [
            ("shop.example.com", Some("shop")),
            ("shop.example.com:8080", Some("shop")),
            ("shop.localhost", Some("shop")),
            ("localhost:8080", None),
            ("127.0.0.1:8080", None),
            ("[::1]:8080", None),
            ("1.example.com", None),
            ("", None),
        ] {
            assert_eq!(first_label(host), label, "{host}");
        }
    }
}
