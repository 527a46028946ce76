//! What is read off frames, and what must be right about them.

use super::fault::FaultKind;
use crate::frame::{Frame, Kind};
use crate::message::{Failure, Loaded};
use crate::nonce::Nonce;

pub(super) fn header<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, FaultKind> {
    serde_json::from_slice(&frame.header)
        .map_err(|error| FaultKind::tainted(format!("the header of a {:?} frame: {error}", frame.kind)))
}

pub(super) fn check(nonce: Option<&Nonce>, echoed: &str) -> Result<(), FaultKind> {
    match nonce {
        Some(nonce) if nonce.matches(echoed) => Ok(()),
        _ => Err(FaultKind::tainted("an answer to another request")),
    }
}

pub(super) fn loaded(frame: &Frame, nonce: Option<&Nonce>) -> Result<Loaded, FaultKind> {
    if frame.kind != Kind::Loaded {
        return Err(FaultKind::tainted(format!("a {:?} frame in place of loaded", frame.kind)));
    }
    let loaded: Loaded = header(frame)?;
    check(nonce, &loaded.nonce)?;
    Ok(loaded)
}

pub(super) fn failure(frame: &Frame, nonce: Option<&Nonce>) -> Result<Failure, FaultKind> {
    if frame.kind != Kind::Failure {
        return Err(FaultKind::tainted(format!("a {:?} frame in place of an answer", frame.kind)));
    }
    let failure: Failure = header(frame)?;
    check(nonce, &failure.nonce)?;
    Ok(failure)
}
