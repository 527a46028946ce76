//! Packages as clients make them.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// A `.tgz` of these files: (path, text).
///
/// # Panics
/// A path is too long.
#[must_use]
pub fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A `.tgz` of one entry of any kind: a link, a device, a name that leads elsewhere.
///
/// # Panics
/// The name has more than 100 bytes.
#[must_use]
pub fn odd_tgz(name: &str, kind: u8, link: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(header.as_bytes()).unwrap();
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap()
}

/// A `.zip` of these files, stored.
///
/// # Panics
/// They are too many or too long for the format.
#[must_use]
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut rows) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let (len, start) = (u32::try_from(text.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for number in [crc.sum(), len, len] {
            common.extend_from_slice(&number.to_le_bytes());
        }
        common.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend_from_slice(&[0; 2]);
        bytes.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), text.as_bytes()].concat());
        rows.extend(
            [b"PK\x01\x02\x14\0", common.as_slice(), &[0; 10], &start.to_le_bytes(), name.as_bytes()]
                .concat(),
        );
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let sizes = [rows.len(), bytes.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &sizes[0], &sizes[1], &[0; 2]].concat();
    [bytes, rows, end].concat()
}
