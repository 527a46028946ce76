//! Bodies that may go to their function while they arrive.

use async_trait::async_trait;
use axum::body::Body as Incomplete;
use axum::extract::{FromRequest as _, Request};
use bytes::{Bytes, BytesMut};
use cloudbox_dispatch::{Failure, Source};
use futures::FutureExt as _;
use http_body_util::BodyExt as _;

use super::body::{Body, closing, refusal, too_large};
use crate::error::ApiError;
use crate::place::Place;

/// A request's body: all of it, or what has come of a longer one.
pub enum Incoming {
    /// All of it.
    Whole(Bytes),
    /// The beginning, and where the rest comes from.
    Begun(Box<dyn Source>),
}

/// How much of a body is waited for before its function begins.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Bytes beyond which it is not: at most as many as may be held.
    pub bytes: usize,
    /// Whether one of unknown length isn't waited for beyond its first piece.
    pub is_live: bool,
    /// Bytes of all of it.
    pub most: u64,
}

impl Incoming {
    /// Reads a body as far ahead as is wanted.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE`, `OVERLOADED`; what was not sent in time.
    pub async fn read(mut request: Request, ahead: Ahead) -> Result<Self, ApiError> {
        match request.extensions_mut().remove::<Place>() {
            Some(place) => begin(request, &place, ahead).await.map_err(closing),
            None => Body::from_request(request, &()).await.map(|Body(bytes)| Self::Whole(bytes)),
        }
    }
}

async fn begin(request: Request, place: &Place, ahead: Ahead) -> Result<Incoming, ApiError> {
    let declared = place.declared();
    if declared > ahead.most {
        return Err(too_large("limits.max_stream_bytes"));
    }
    let is_live = ahead.is_live && declared == 0;
    let mut body = request.into_body();
    let mut first = BytesMut::new();
    while declared <= ahead.bytes as u64 && first.len() <= ahead.bytes {
        let frame = if is_live && !first.is_empty() {
            match body.frame().now_or_never() {
                Some(frame) => frame,
                None => break,
            }
        } else {
            body.frame().await
        };
        let Some(frame) = frame else {
            place.enter()?;
            return Ok(Incoming::Whole(first.freeze()));
        };
        let Ok(data) = frame.map_err(|error| refusal(&error))?.into_data() else { continue };
        place.hold(data.len())?;
        first.extend_from_slice(&data);
    }
    place.enter()?;
    Ok(Incoming::Begun(Box::new(Rest { first: first.freeze(), body })))
}

struct Rest {
    first: Bytes,
    body: Incomplete,
}

#[async_trait]
impl Source for Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if !self.first.is_empty() {
            return Ok(Some(std::mem::take(&mut self.first)));
        }
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| {
                let error = refusal(&error);
                Failure::new(error.body.code, "the request's body was not sent whole, or not in time")
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
