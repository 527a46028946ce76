//! What an archive may be.

/// Which names the entries of an archive may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those that mean the same file on every system: printable, in Unicode's composed form (NFC), and different even
    /// where upper and lower case are one.
    Portable,
    /// Any that is UTF-8: of archives that this program made itself.
    Any,
}

/// The limits of one archive. Whatever is beyond is refused at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the archive itself.
    pub archive_bytes: u64,
    /// Bytes of what is in it; of a `.tgz` with the headers between its files.
    pub bytes: u64,
    /// How many bytes of content one byte of the archive may become.
    pub ratio: u64,
    /// Bytes of content from which on `ratio` counts: a small file of zeros is no attack.
    pub ratio_from: u64,
    /// Files and folders, also those folders that only names of files tell of.
    pub entries: usize,
    /// Parts of a path.
    pub depth: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of one header that is an entry of its own: a long name, or PAX records.
    pub header_bytes: u64,
    /// Names.
    pub names: Names,
}

impl Limits {
    /// Of a package that somebody uploads.
    pub const PACKAGE: Self = Self {
        archive_bytes: 50 << 20,
        bytes: 100 << 20,
        ratio: 100,
        ratio_from: 1 << 20,
        entries: 10_000,
        depth: 32,
        path_bytes: 1024,
        header_bytes: 64 << 10,
        names: Names::Portable,
    };

    /// Of an archive that [`crate::pack`] made from a folder of so many bytes and entries at most.
    #[must_use]
    pub const fn own(bytes: u64, entries: usize) -> Self {
        Self {
            // Headers and padding of each entry, and of those with long names a second header.
            archive_bytes: bytes + 4096 * (entries as u64 + 16),
            bytes: bytes + 4096 * (entries as u64 + 16),
            ratio: u64::MAX,
            ratio_from: 0,
            entries: entries.saturating_mul(2),
            depth: 64,
            path_bytes: 4096,
            header_bytes: 64 << 10,
            names: Names::Any,
        }
    }
}
