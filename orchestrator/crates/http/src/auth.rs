//! Who calls, and what they may reach.
//!
//! A handler takes [`Caller`] first, so that a missing or wrong credential is told before anything else of the
//! request is looked at; and it gets rows from [`access`] alone, so that none is reached without a right.

pub mod access;
pub mod chosen;
pub mod tenant;

pub use tenant::Tenant;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use cloudbox_types::Secret;
use http::request::Parts;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

use crate::api::Api;
use crate::error::ApiError;

/// Somebody with a valid credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// May do everything.
    Admin,
}

impl Caller {
    /// What is noted of who did something.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
        }
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        identify(&parts.headers, &api.admin_token).ok_or_else(ApiError::unauthorized)
    }
}

/// Somebody with a valid credential, or the public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<Arc<Api>> for MaybeCaller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Self::Rejection> {
        Ok(Self(identify(&parts.headers, &api.admin_token)))
    }
}

fn identify(headers: &HeaderMap, admin_token: &Secret<String>) -> Option<Caller> {
    let token = bearer(headers)?;
    let is_admin = bool::from(token.as_bytes().ct_eq(admin_token.expose().as_bytes()));
    is_admin.then_some(Caller::Admin)
}

/// The token of `Authorization: Bearer …`. Two such headers are none: which one counts could be argued about.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(values: &[&str]) -> Option<Caller> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        identify(&headers, &Secret::new("the-token".to_owned()))
    }

    #[test]
    fn the_admin_token_is_an_administrators() {
        for value in ["Bearer the-token", "bearer the-token", "BEARER  the-token "] {
            assert_eq!(caller(&[value]), Some(Caller::Admin), "{value}");
        }
    }

    #[test]
    fn anything_else_is_nobody() {
        for value in
            ["", "Bearer", "Bearer ", "Bearer the-toke", "Bearer the-token2", "Basic the-token", "the-token"]
        {
            assert_eq!(caller(&[value]), None, "{value}");
        }
        assert_eq!(caller(&[]), None);
        assert_eq!(caller(&["Bearer the-token", "Bearer the-token"]), None);
    }
}
