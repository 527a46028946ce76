//! The directory of a zip: its end, its rows, and the headers in front of the files that have to say the same.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::{Refused, shown};
use crate::limits::Limits;

/// A content that lies there as it is.
pub(super) const STORED: u16 = 0;
/// A content that is deflated.
pub(super) const DEFLATED: u16 = 8;

const END_MARK: [u8; 4] = *b"PK\x05\x06";
const END_LEN: usize = 22;
const ZIP64_MARK: [u8; 4] = *b"PK\x06\x07";
const ZIP64_LEN: usize = 20;
const ROW_MARK: [u8; 4] = *b"PK\x01\x02";
const ROW_LEN: usize = 46;
const FRONT_MARK: [u8; 4] = *b"PK\x03\x04";
const FRONT_LEN: usize = 30;
/// The number of a row's extra field that says sizes a second time.
const ZIP64_FIELD: u16 = 1;
/// Names a second time, in Unicode.
const UNICODE_PATH_FIELD: u16 = 0x7075;
/// Bits of the flags: encrypted in two ways, and a directory that is.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Sums and sizes follow the content, and are 0 in front of it.
const SIZES_FOLLOW: u16 = 1 << 3;
/// The system whose modes are in the upper half of the attributes.
const UNIX: u8 = 3;
const MACOS: u8 = 19;

/// Where the directory is.
#[derive(Debug)]
pub(super) struct End {
    pub(super) entries: usize,
    pub(super) start: u64,
    pub(super) bytes: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Finds the one record that ends the directory.
pub(super) fn find_end<F: Read + Seek>(file: &mut F, len: u64) -> io::Result<Result<End, Refused>> {
    let tail = len.min((END_LEN + ZIP64_LEN) as u64 + u64::from(u16::MAX));
    file.seek(SeekFrom::Start(len - tail))?;
    let mut bytes = vec![0; tail as usize];
    file.read_exact(&mut bytes)?;
    Ok(end_of(&bytes, len))
}

fn end_of(tail: &[u8], len: u64) -> Result<End, Refused> {
    let found = tail.windows(END_MARK.len()).enumerate().filter(|(_, four)| *four == END_MARK);
    let mut found = found.map(|(at, _)| at);
    let at =
        found.next().ok_or_else(|| Refused::broken("it ends too early: the zip's directory is missing"))?;
    if found.next().is_some() {
        return Err(Refused::broken("its directory ends in two places"));
    }
    let Some(record) = tail.get(at..at + END_LEN) else { return Err(Refused::broken("it ends too early")) };
    if at + END_LEN + usize::from(u16_at(record, 20)) != tail.len() {
        return Err(Refused::broken("something follows its end"));
    }
    if at >= ZIP64_LEN && tail[at - ZIP64_LEN..].starts_with(&ZIP64_MARK) {
        return Err(Refused::Zip64);
    }
    let [disk, first_disk, here, all] = [4, 6, 8, 10].map(|offset| u16_at(record, offset));
    let (bytes, start) = (u32_at(record, 12), u32_at(record, 16));
    if here == u16::MAX || bytes == u32::MAX || start == u32::MAX {
        return Err(Refused::Zip64);
    }
    if disk != 0 || first_disk != 0 || here != all {
        return Err(Refused::broken("it is a part of several"));
    }
    let end_at = len - (tail.len() - at) as u64;
    if u64::from(start) + u64::from(bytes) != end_at {
        return Err(Refused::broken("its directory is not where it says"));
    }
    Ok(End { entries: usize::from(all), start: u64::from(start), bytes: u64::from(bytes) })
}

/// A row of the directory.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: Vec<u8>,
    flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Bytes as they lie there.
    pub(super) packed: u64,
    /// Bytes of the content.
    pub(super) size: u64,
    /// Of Unix: type and permissions; 0 where the zip is of another system.
    mode: u32,
    /// Where its own header is.
    pub(super) start: u64,
}

impl Described {
    /// Reads one row.
    pub(super) fn read(reader: &mut impl Read, limits: &Limits) -> io::Result<Result<Self, Refused>> {
        let mut row = [0; ROW_LEN];
        reader.read_exact(&mut row)?;
        if !row.starts_with(&ROW_MARK) {
            return Ok(Err(Refused::broken("its directory can't be read")));
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(&row, at)));
        let mut rest = vec![0; name + extra + comment];
        reader.read_exact(&mut rest)?;
        if name > limits.path_bytes {
            return Ok(Err(Refused::PathBytes { name: shown(&rest[..name]), limit: limits.path_bytes }));
        }
        let sizes = [20, 24, 42].map(|at| u32_at(&row, at));
        if sizes.contains(&u32::MAX) {
            return Ok(Err(Refused::Zip64));
        }
        if let Err(refused) = check_extra(&rest[name..name + extra]) {
            return Ok(Err(refused));
        }
        let made_by = row[5];
        Ok(Ok(Self {
            // Without the room that the rest took.
            name: rest[..name].to_vec(),
            flags: u16_at(&row, 8),
            method: u16_at(&row, 10),
            crc: u32_at(&row, 16),
            packed: u64::from(sizes[0]),
            size: u64::from(sizes[1]),
            mode: if matches!(made_by, UNIX | MACOS) { u32_at(&row, 38) >> 16 } else { 0 },
            start: u64::from(sizes[2]),
        }))
    }

    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with(b"/")
    }

    pub(super) fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }

    /// That it is a file or a folder which can be unpacked.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let name = || shown(&self.name);
        if self.flags & ENCRYPTED != 0 {
            return Err(Refused::Encrypted { name: name() });
        }
        let kind = match self.mode & 0o170_000 {
            0 => None,
            0o100_000 if self.is_folder() => return Err(Refused::FileAndFolder { name: name() }),
            0o040_000 if !self.is_folder() => return Err(Refused::FileAndFolder { name: name() }),
            0o100_000 | 0o040_000 => None,
            0o120_000 => Some("a symbolic link"),
            0o020_000 | 0o060_000 => Some("a device"),
            0o010_000 => Some("a FIFO"),
            0o140_000 => Some("a socket"),
            _ => Some("of an unknown kind"),
        };
        if let Some(kind) = kind {
            return Err(Refused::Kind { name: name(), kind });
        }
        if !matches!(self.method, STORED | DEFLATED) {
            return Err(Refused::Method { name: name(), method: self.method });
        }
        if self.is_folder() && self.size > 0 {
            return Err(Refused::broken(format!("the folder {} has bytes", name())));
        }
        if self.method == STORED && self.packed != self.size {
            return Err(Refused::TwoWays { name: name(), field: "size" });
        }
        Ok(())
    }

    /// Reads the header in front of the content and compares; where the content begins.
    pub(super) fn compare(&self, reader: &mut impl Read) -> io::Result<Result<u64, Refused>> {
        let mut front = [0; FRONT_LEN];
        reader.read_exact(&mut front)?;
        if !front.starts_with(&FRONT_MARK) {
            let why = format!("{} is not where its directory says", shown(&self.name));
            return Ok(Err(Refused::broken(why)));
        }
        let [name, extra] = [26, 28].map(|at| usize::from(u16_at(&front, at)));
        let mut rest = vec![0; name + extra];
        reader.read_exact(&mut rest)?;
        let [crc, packed, size] = [14, 18, 22].map(|at| u32_at(&front, at));
        let follows = self.flags & SIZES_FOLLOW != 0;
        // Where they follow the content, writers leave them 0, or, of zip64, unknown.
        let fits =
            |told: u64, here: u32| u64::from(here) == told || (follows && matches!(here, 0 | u32::MAX));
        let field = if rest[..name] != self.name {
            Some("name")
        } else if u16_at(&front, 6) != self.flags {
            Some("flags")
        } else if u16_at(&front, 8) != self.method {
            Some("method")
        } else if !fits(u64::from(self.crc), crc) {
            Some("sum (CRC)")
        } else if !fits(self.packed, packed) || !fits(self.size, size) {
            Some("size")
        } else {
            None
        };
        Ok(match field {
            Some(field) => Err(Refused::TwoWays { name: shown(&self.name), field }),
            None => Ok(self.start + (FRONT_LEN + name + extra) as u64),
        })
    }
}

/// That a row says nothing a second time.
fn check_extra(mut extra: &[u8]) -> Result<(), Refused> {
    while extra.len() >= 4 {
        match u16_at(extra, 0) {
            ZIP64_FIELD => return Err(Refused::Zip64),
            UNICODE_PATH_FIELD => return Err(Refused::broken("an entry has a second name")),
            _ => {}
        }
        let len = 4 + usize::from(u16_at(extra, 2));
        extra = extra.get(len..).ok_or_else(|| Refused::broken("an extra field is cut"))?;
    }
    Ok(())
}
