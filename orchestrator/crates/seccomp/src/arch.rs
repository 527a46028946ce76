//! The processors that sandboxes run on, and their numbers of the system calls.

/// A 64-bit architecture of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// amd64.
    X86_64,
    /// arm64.
    Aarch64,
}

/// From here on the numbers of x86-64 are those of x32, which shares its architecture.
const X32: u32 = 0x4000_0000;

/// Name and numbers of every call; the headers' names, which are libseccomp's, too.
const NUMBERS: &str = include_str!("../syscalls.tsv");

impl Arch {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// That of this machine; none where there is no profile for it.
    #[must_use]
    pub fn native() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// As a filter sees it (`AUDIT_ARCH_*`).
    #[must_use]
    pub const fn audit_number(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::Aarch64 => 0xC000_00B7,
        }
    }

    /// The first number that belongs to a foreign set of calls.
    #[must_use]
    pub const fn foreign_from(self) -> Option<u32> {
        match self {
            Self::X86_64 => Some(X32),
            Self::Aarch64 => None,
        }
    }

    /// As Docker's profiles call it.
    pub(crate) const fn docker_name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// Every call that it has: number and name.
    pub fn calls(self) -> impl Iterator<Item = (u32, &'static str)> {
        rows().filter_map(move |(name, numbers)| {
            let column = match self {
                Self::X86_64 => 0,
                Self::Aarch64 => 1,
            };
            Some((numbers[column]?, name))
        })
    }
}

/// The names of the calls of all architectures.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|(name, _)| name)
}

fn rows() -> impl Iterator<Item = (&'static str, [Option<u32>; 2])> {
    NUMBERS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let name = columns.next()?;
        Some((name, [columns.next()?.parse().ok(), columns.next()?.parse().ok()]))
    })
}
