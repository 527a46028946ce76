//! `.zip`, read by its directory at the end.
//!
//! A zip says everything twice, in front of each file and in the directory, and readers differ in which they believe.
//! So nothing here takes a zip whose two stories differ, whose files lie over one another, or that could be read from
//! another end.

mod directory;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::error::{Error, Refused, shown};
use crate::limits::Limits;
use crate::meter::{Compressed, Inflated, Meter};
use crate::tree::Tree;
use directory::{DEFLATED, Described, STORED};

/// Unpacks all of it.
pub(crate) fn unpack(
    mut file: File,
    len: u64,
    limits: &Limits,
    meter: &Rc<Meter>,
    tree: &mut Tree<'_>,
) -> Result<(), Error> {
    let explain = |error: std::io::Error| meter.explain(&error);
    let end = directory::find_end(&mut file, len).map_err(explain)??;
    if end.entries > limits.entries {
        return Err(Refused::Entries { limit: limits.entries }.into());
    }
    file.seek(SeekFrom::Start(end.start)).map_err(explain)?;
    let mut reader = BufReader::new((&mut file).take(end.bytes));
    let mut described = Vec::new();
    for _ in 0..end.entries {
        described.push(Described::read(&mut reader, limits).map_err(explain)??);
    }
    if reader.buffer().len() as u64 + reader.get_ref().limit() > 0 {
        return Err(Refused::broken("its directory is longer than it says").into());
    }
    drop(reader);
    // In the order in which they lie, so that one look at the end of the last one tells of two over one another.
    described.sort_by_key(|entry| entry.start);
    let mut free_from = 0;
    for entry in &described {
        if entry.start < free_from {
            return Err(Refused::broken("two of its entries lie over one another").into());
        }
        free_from = place(&mut file, entry, meter, tree)?;
        if free_from > end.start {
            return Err(Refused::broken("an entry reaches into its directory").into());
        }
    }
    Ok(())
}

/// Unpacks one entry; where the next one may begin.
fn place(file: &mut File, entry: &Described, meter: &Rc<Meter>, tree: &mut Tree<'_>) -> Result<u64, Error> {
    entry.check()?;
    file.seek(SeekFrom::Start(entry.start)).map_err(|error| meter.explain(&error))?;
    let data = entry.compare(file).map_err(|error| meter.explain(&error))??;
    if entry.is_folder() {
        tree.folder(&entry.name)?;
        return Ok(data);
    }
    if entry.size > meter.room() {
        return Err(Refused::Bytes { limit: meter.limit() }.into());
    }
    let stored = Compressed { inner: file.take(entry.packed), meter: Rc::clone(meter) };
    let mut content = Content { crc: Crc::new(), inner: reader(entry.method, stored, meter) };
    let written = tree.file(&entry.name, entry.is_executable(), &mut content)?;
    let name = || shown(&entry.name);
    if written != entry.size {
        return Err(Refused::broken(format!("{} has not the bytes that it says", name())).into());
    }
    if content.crc.sum() != entry.crc {
        return Err(Refused::broken(format!("{} has another sum (CRC) than it says", name())).into());
    }
    if !content.inner.is_used_up() {
        return Err(Refused::broken(format!("something follows the end of {}", name())).into());
    }
    Ok(data + entry.packed)
}

type Packed<'f> = BufReader<Compressed<std::io::Take<&'f mut File>>>;

/// The two ways in which a content lies there.
enum Method<'f> {
    Stored(Inflated<Packed<'f>>),
    Deflated(Inflated<DeflateDecoder<Packed<'f>>>),
}

fn reader<'f>(method: u16, packed: Compressed<std::io::Take<&'f mut File>>, meter: &Rc<Meter>) -> Method<'f> {
    let (packed, meter) = (BufReader::new(packed), Rc::clone(meter));
    match method {
        DEFLATED => Method::Deflated(Inflated { inner: DeflateDecoder::new(packed), meter }),
        method => {
            debug_assert_eq!(method, STORED, "others were refused before");
            Method::Stored(Inflated { inner: packed, meter })
        }
    }
}

impl Method<'_> {
    /// Whether all of what lies there was read.
    fn is_used_up(&self) -> bool {
        let packed = match self {
            Self::Stored(reader) => &reader.inner,
            Self::Deflated(reader) => reader.inner.get_ref(),
        };
        packed.buffer().is_empty() && packed.get_ref().inner.limit() == 0
    }
}

/// An entry's content, summed up as it is read.
struct Content<'f> {
    crc: Crc,
    inner: Method<'f>,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = match &mut self.inner {
            Method::Stored(reader) => reader.read(buffer),
            Method::Deflated(reader) => reader.read(buffer),
        }?;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}
