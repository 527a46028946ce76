//! Writes zips as no program would.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// One entry, as both places describe it; what is `Some` differs in front of the file.
#[derive(Clone)]
pub struct Item {
    pub name: Vec<u8>,
    pub packed: Vec<u8>,
    pub size: u32,
    pub crc: u32,
    pub method: u16,
    pub flags: u16,
    pub mode: u32,
    pub made_by: u8,
    pub extra: Vec<u8>,
    pub front_extra: Vec<u8>,
    pub front_name: Option<Vec<u8>>,
    pub front_method: Option<u16>,
    pub front_size: Option<u32>,
    pub front_crc: Option<u32>,
    pub front_flags: Option<u16>,
    /// The directory's place of it, where that is not its own.
    pub start: Option<u32>,
    /// What follows it.
    pub behind: Vec<u8>,
}

impl Item {
    pub fn stored(name: &str, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes().to_vec(),
            packed: content.to_vec(),
            size: content.len() as u32,
            crc: crc.sum(),
            method: 0,
            flags: 0,
            mode: 0o100_644,
            made_by: 3,
            extra: Vec::new(),
            front_extra: Vec::new(),
            front_name: None,
            front_method: None,
            front_size: None,
            front_crc: None,
            front_flags: None,
            start: None,
            behind: Vec::new(),
        }
    }

    pub fn deflated(name: &str, content: &[u8]) -> Self {
        Self { packed: deflate(content), method: 8, ..Self::stored(name, content) }
    }

    pub fn folder(name: &str) -> Self {
        Self { mode: 0o040_755, ..Self::stored(name, b"") }
    }
}

pub fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The record at the end.
#[derive(Default)]
pub struct EndOf {
    pub comment: Vec<u8>,
    pub count: Option<u16>,
    pub start_off: i64,
    pub bytes_off: i64,
    pub disk: u16,
    /// Between directory and record.
    pub before: Vec<u8>,
    /// In front of everything, counted in the places.
    pub prefix: Vec<u8>,
}

pub fn zip(items: &[Item]) -> Vec<u8> {
    zip_with(items, &EndOf::default())
}

pub fn zip_with(items: &[Item], end: &EndOf) -> Vec<u8> {
    let (mut bytes, mut rows) = (end.prefix.clone(), Vec::new());
    for item in items {
        let start = item.start.unwrap_or(bytes.len() as u32);
        front(&mut bytes, item);
        row(&mut rows, item, start);
    }
    let start = bytes.len() as i64 + end.start_off;
    let len = rows.len() as i64 + end.bytes_off;
    bytes.extend_from_slice(&rows);
    bytes.extend_from_slice(&end.before);
    bytes.extend_from_slice(b"PK\x05\x06");
    let count = end.count.unwrap_or(items.len() as u16);
    for number in [end.disk, 0, count, count] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&(len as u32).to_le_bytes());
    bytes.extend_from_slice(&(start as u32).to_le_bytes());
    bytes.extend_from_slice(&(end.comment.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&end.comment);
    bytes
}

fn front(bytes: &mut Vec<u8>, item: &Item) {
    let name = item.front_name.as_ref().unwrap_or(&item.name);
    bytes.extend_from_slice(b"PK\x03\x04\x14\0");
    bytes.extend_from_slice(&item.front_flags.unwrap_or(item.flags).to_le_bytes());
    bytes.extend_from_slice(&item.front_method.unwrap_or(item.method).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&item.front_crc.unwrap_or(item.crc).to_le_bytes());
    bytes.extend_from_slice(&(item.packed.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&item.front_size.unwrap_or(item.size).to_le_bytes());
    bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&(item.front_extra.len() as u16).to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&item.front_extra);
    bytes.extend_from_slice(&item.packed);
    bytes.extend_from_slice(&item.behind);
}

fn row(rows: &mut Vec<u8>, item: &Item, start: u32) {
    rows.extend_from_slice(b"PK\x01\x02\x14");
    rows.push(item.made_by);
    rows.extend_from_slice(&[0x14, 0]);
    rows.extend_from_slice(&item.flags.to_le_bytes());
    rows.extend_from_slice(&item.method.to_le_bytes());
    rows.extend_from_slice(&[0; 4]);
    rows.extend_from_slice(&item.crc.to_le_bytes());
    rows.extend_from_slice(&(item.packed.len() as u32).to_le_bytes());
    rows.extend_from_slice(&item.size.to_le_bytes());
    rows.extend_from_slice(&(item.name.len() as u16).to_le_bytes());
    rows.extend_from_slice(&(item.extra.len() as u16).to_le_bytes());
    rows.extend_from_slice(&[0; 6]);
    rows.extend_from_slice(&(item.mode << 16).to_le_bytes());
    rows.extend_from_slice(&start.to_le_bytes());
    rows.extend_from_slice(&item.name);
    rows.extend_from_slice(&item.extra);
}
