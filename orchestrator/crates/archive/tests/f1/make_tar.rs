//! Writes tars as no program would.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

/// A tar that grows.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

/// One header and what follows it.
pub struct Entry<'e> {
    pub name: &'e [u8],
    pub kind: u8,
    pub content: &'e [u8],
    pub size: Option<u64>,
    pub mode: u32,
    pub link: &'e [u8],
}

impl<'e> Entry<'e> {
    pub fn new(name: &'e [u8], kind: u8, content: &'e [u8]) -> Self {
        Self { name, kind, content, size: None, mode: 0o644, link: b"" }
    }
}

impl Tar {
    pub fn entry(mut self, entry: &Entry<'_>) -> Self {
        let mut header = [0_u8; 512];
        header[..entry.name.len()].copy_from_slice(entry.name);
        header[100..107].copy_from_slice(format!("{:07o}", entry.mode).as_bytes());
        header[108..115].copy_from_slice(b"0001750");
        header[116..123].copy_from_slice(b"0001750");
        let size = entry.size.unwrap_or(entry.content.len() as u64);
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[136..147].copy_from_slice(b"14700000000");
        header[148..156].copy_from_slice(b"        ");
        header[156] = entry.kind;
        header[157..157 + entry.link.len()].copy_from_slice(entry.link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(entry.content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, text: &str) -> Self {
        self.entry(&Entry::new(name.as_bytes(), b'0', text.as_bytes()))
    }

    pub fn folder(self, name: &str) -> Self {
        self.entry(&Entry { mode: 0o755, ..Entry::new(name.as_bytes(), b'5', b"") })
    }

    pub fn kind(self, name: &str, kind: u8, link: &str) -> Self {
        self.entry(&Entry { link: link.as_bytes(), ..Entry::new(name.as_bytes(), kind, b"") })
    }

    /// A PAX header.
    pub fn pax(self, kind: u8, records: &[(&str, &[u8])]) -> Self {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.entry(&Entry::new(b"PaxHeaders/x", kind, &text))
    }

    /// A long name by GNU's way.
    pub fn long(self, name: &[u8]) -> Self {
        self.entry(&Entry::new(b"././@LongLink", b'L', &[name, b"\0"].concat()))
    }

    /// With its end mark.
    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub fn gz(self) -> Vec<u8> {
        gz(&self.end())
    }
}

pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that don't become fewer.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}
