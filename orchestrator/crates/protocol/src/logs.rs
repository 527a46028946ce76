//! What one call printed: bounded, marked where it was cut, never parsed.

/// Collects at most `limit` bytes and counts the rest.
#[derive(Clone, Debug)]
pub struct Logs {
    bytes: Vec<u8>,
    limit: usize,
    dropped: u64,
}

impl Logs {
    /// Room for `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, dropped: 0 }
    }

    /// Keeps what fits of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        let kept = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
    }

    /// Whether nothing was printed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether what was kept has these bytes in it.
    #[must_use]
    pub fn contains(&self, part: &[u8]) -> bool {
        !part.is_empty() && self.bytes.windows(part.len()).any(|window| window == part)
    }

    /// The text: what is not UTF-8 replaced, and a last line that says how much was cut off.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = match String::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        if self.dropped > 0 {
            text.push_str(&format!(
                "\n… [{} more bytes were cut off: the limit is {}]\n",
                self.dropped, self.limit
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_and_says_so() {
        let mut logs = Logs::new(4);
        logs.push(b"abc");
        logs.push(b"def");
        assert_eq!(logs.into_text(), "abcd\n… [2 more bytes were cut off: the limit is 4]\n");
    }

    #[test]
    fn parts_are_found() {
        let mut logs = Logs::new(10);
        logs.push(b"abcdef");
        assert!(logs.contains(b"cde") && !logs.contains(b"ce") && !logs.contains(b""));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut logs = Logs::new(10);
        logs.push(&[b'a', 0xff, b'b']);
        assert_eq!(logs.into_text(), "a\u{fffd}b");
    }
}
