//! SHA-256 in hex.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Whether a text is a SHA-256 in hex, and so can be a file's name.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Of all bytes of a file.
///
/// # Errors
/// It can't be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut sum, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 17]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(sum));
        }
        sum.update(&buffer[..read]);
    }
}

pub(crate) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
