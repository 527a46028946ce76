//! What handlers take out of a request: bodies, paths and queries, each with our own error.

mod body;
mod fields;
mod incoming;
mod query;

pub use body::{Body, JsonObject, OptionalJson, not_too_deep, read_json};
pub use fields::Fields;
pub use incoming::{Ahead, Incoming};
pub use query::{Query, page_request};

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;

use crate::error::ApiError;

/// Parts of the path. What can't be decoded names nothing that exists.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::not_found("path")
    }
}
