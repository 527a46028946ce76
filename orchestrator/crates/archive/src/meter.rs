//! Counts what goes in and what comes out while an archive is read, and ends the reading where it is too much.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use crate::error::{Error, Refused};
use crate::limits::Limits;

/// The counts of one archive, shared by the readers that are put on one another.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    compressed: Cell<u64>,
    inflated: Cell<u64>,
    /// Why reading was ended: libraries between it and the caller may not pass it on.
    ended: RefCell<Option<Ended>>,
}

#[derive(Debug)]
enum Ended {
    Refused(Refused),
    Disk(io::Error),
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Rc<Self> {
        let [compressed, inflated] = [0, 0].map(Cell::new);
        Rc::new(Self { limits, compressed, inflated, ended: RefCell::default() })
    }

    /// How many bytes of content may still come.
    pub(crate) fn room(&self) -> u64 {
        self.limits.bytes.saturating_sub(self.inflated.get())
    }

    /// How many bytes of content may come in all.
    pub(crate) fn limit(&self) -> u64 {
        self.limits.bytes
    }

    fn inflate(&self, bytes: usize) -> Result<(), Refused> {
        let inflated = self.inflated.get() + bytes as u64;
        self.inflated.set(inflated);
        if inflated > self.limits.bytes {
            return Err(Refused::Bytes { limit: self.limits.bytes });
        }
        let most = self.compressed.get().saturating_mul(self.limits.ratio);
        if inflated > self.limits.ratio_from && inflated > most {
            return Err(Refused::Ratio { ratio: self.limits.ratio });
        }
        Ok(())
    }

    /// What a failed reading means: the limit that ended it, this machine's own fault, or a broken archive.
    pub(crate) fn explain(&self, error: &io::Error) -> Error {
        match self.ended.borrow_mut().take() {
            Some(Ended::Refused(refused)) => refused.into(),
            Some(Ended::Disk(source)) => Error::Io { what: "reading", path: "the package".into(), source },
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Refused::broken("it ends too early").into()
            }
            None => Refused::broken(error.to_string()).into(),
        }
    }
}

/// The archive's own bytes.
pub(crate) struct Compressed<R> {
    pub(crate) inner: R,
    pub(crate) meter: Rc<Meter>,
}

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(read) => {
                self.meter.compressed.set(self.meter.compressed.get() + read as u64);
                Ok(read)
            }
            Err(error) => {
                let told = io::Error::from(error.kind());
                *self.meter.ended.borrow_mut() = Some(Ended::Disk(error));
                Err(told)
            }
        }
    }
}

/// The bytes that they become.
pub(crate) struct Inflated<R> {
    pub(crate) inner: R,
    pub(crate) meter: Rc<Meter>,
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.inflate(read).map_err(|refused| {
            let told = io::Error::other(refused.to_string());
            *self.meter.ended.borrow_mut() = Some(Ended::Refused(refused));
            told
        })?;
        Ok(read)
    }
}
