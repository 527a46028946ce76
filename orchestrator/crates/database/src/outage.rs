//! What keeps a database from working for a while, told from errors that another try would bring again.

use std::fmt;

/// Why the database can't be used now; as a clause that follows "the database can't be used now:".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Another program holds a lock.
    Locked,
    /// It takes no changes.
    ReadOnly,
    /// There is no room for a change.
    Full,
    /// The disk fails.
    Disk,
    /// Nobody answers, or not in time.
    Silent,
    /// The server has no connection left, or no memory.
    Exhausted,
    /// The file is not where it was when it was opened.
    Moved,
    /// Its content is broken.
    Damaged,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "another program holds its lock",
            Self::ReadOnly => "it takes no changes: its server, file or disk is read only",
            Self::Full => "its disk is full",
            Self::Disk => "its file can't be opened, read or written",
            Self::Silent => "it doesn't answer in time",
            Self::Exhausted => "its server has no connection or no memory left",
            Self::Moved => "its file was moved or replaced; move it back, or restart the service",
            Self::Damaged => "it is damaged; restore it from a backup",
        })
    }
}

/// An outage that was found by ourselves, as an error of the driver.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Found(Outage);

impl Outage {
    /// As an error of the driver.
    pub(crate) fn error(self) -> sqlx::Error {
        sqlx::Error::Io(std::io::Error::other(Found(self)))
    }

    /// The outage that an error tells of; none where the statement or the program is at fault.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(error) => {
                let found = error.get_ref().and_then(|inner| inner.downcast_ref::<Found>());
                Some(found.map_or(Self::Silent, |found| found.0))
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => Some(Self::Silent),
            sqlx::Error::Database(error) => {
                let code = error.code()?;
                match error.kind() {
                    sqlx::error::ErrorKind::Other if code.len() == 5 => of_postgres(&code),
                    // The primary result code: the low byte of SQLite's extended one.
                    sqlx::error::ErrorKind::Other => of_sqlite(code.parse::<u32>().ok()? & 0xff),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn of_sqlite(code: u32) -> Option<Outage> {
    match code {
        5 | 6 => Some(Outage::Locked),
        8 => Some(Outage::ReadOnly),
        10 | 14 => Some(Outage::Disk),
        11 | 26 => Some(Outage::Damaged),
        13 => Some(Outage::Full),
        _ => None,
    }
}

/// Classes and codes of appendix A of PostgreSQL's manual.
fn of_postgres(code: &str) -> Option<Outage> {
    match code {
        "25006" => Some(Outage::ReadOnly),
        "53100" => Some(Outage::Full),
        "55P03" => Some(Outage::Locked),
        "XX001" | "XX002" => Some(Outage::Damaged),
        _ => match &code[..2] {
            "53" => Some(Outage::Exhausted),
            "58" => Some(Outage::Disk),
            // Connections that broke; a server that stops, starts, or ended a statement that took too long.
            "08" | "57" => Some(Outage::Silent),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_from_an_error_of_ours() {
        for (code, outage) in [
            ("57P01", Some(Outage::Silent)),
            ("08006", Some(Outage::Silent)),
            ("53300", Some(Outage::Exhausted)),
            ("53100", Some(Outage::Full)),
            ("25006", Some(Outage::ReadOnly)),
            ("42601", None),
            ("40P01", None),
        ] {
            assert_eq!(of_postgres(code), outage, "{code}");
        }
        assert_eq!((of_sqlite(13), of_sqlite(1)), (Some(Outage::Full), None));
        assert_eq!(Outage::of(&Outage::Moved.error()), Some(Outage::Moved));
        assert_eq!(Outage::of(&sqlx::Error::RowNotFound), None);
    }
}
