//! Places in a source: from bytes to lines and columns.

/// Where the lines of a source begin.
pub(crate) struct Lines<'s> {
    source: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { source, starts }
    }

    /// Line and column of an offset, both from 1; the column in characters.
    pub(crate) fn place(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.source.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        // An offset inside a character is that character's.
        let before = self.source.as_bytes()[start..at].iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        (line, before + 1)
    }
}
