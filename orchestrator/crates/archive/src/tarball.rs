//! `.tgz`: a tar in gzip.
//!
//! The `tar` crate reads headers and checks their sums; what they mean is decided here, from raw entries, since long
//! names and PAX records are what archives are smuggled with.

use std::fs::File;
use std::io::Read;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, Header};

use crate::error::{Error, Refused, shown};
use crate::limits::Limits;
use crate::meter::{Compressed, Inflated, Meter};
use crate::tree::Tree;

/// What an entry told of the one that follows it.
#[derive(Default)]
struct Ahead {
    /// Its path.
    path: Option<Vec<u8>>,
    /// Its bytes, as PAX says.
    size: Option<u64>,
}

/// Unpacks all of it.
pub(crate) fn unpack(
    file: File,
    limits: &Limits,
    meter: &Rc<Meter>,
    tree: &mut Tree<'_>,
) -> Result<(), Error> {
    let compressed = Compressed { inner: file, meter: Rc::clone(meter) };
    let inflating = MultiGzDecoder::new(std::io::BufReader::new(compressed));
    let mut archive = Archive::new(Inflated { inner: inflating, meter: Rc::clone(meter) });
    let explain = |error: std::io::Error| meter.explain(&error);
    let mut ahead: Option<Ahead> = None;
    let mut headers = 0;
    for entry in archive.entries().map_err(explain)?.raw(true) {
        let mut entry = entry.map_err(explain)?;
        headers += 1;
        // Each file may have a long name and PAX records before it.
        if headers > limits.entries.saturating_mul(3) {
            return Err(Refused::Entries { limit: limits.entries }.into());
        }
        let size = entry.header().entry_size().map_err(explain)?;
        match entry.header().entry_type() {
            EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => {
                if size > limits.header_bytes {
                    return Err(Refused::HeaderBytes { limit: limits.header_bytes }.into());
                }
                let mut text = Vec::with_capacity(size as usize);
                entry.read_to_end(&mut text).map_err(explain)?;
                note(entry.header().entry_type(), &text, &mut ahead)?;
            }
            _ => place(&mut entry, size, ahead.take().unwrap_or_default(), meter, tree)?,
        }
    }
    if ahead.is_some() {
        return Err(Refused::broken("its last header is of no entry").into());
    }
    read_rest(&mut archive.into_inner(), meter)
}

/// Takes in what a header that is an entry of its own says.
fn note(kind: EntryType, text: &[u8], ahead: &mut Option<Ahead>) -> Result<(), Refused> {
    if kind == EntryType::XGlobalHeader {
        // Such as the commit that `git archive` writes down.
        let told = pax(text)?;
        return if told.path.is_some() || told.size.is_some() {
            Err(Refused::broken("a header gives all its entries one path or size"))
        } else {
            Ok(())
        };
    }
    let told = match kind {
        EntryType::GNULongName => {
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            Ahead { path: Some(text[..end].to_vec()), size: None }
        }
        _ => pax(text)?,
    };
    let before = ahead.get_or_insert_with(Ahead::default);
    if (told.path.is_some() && before.path.is_some()) || (told.size.is_some() && before.size.is_some()) {
        return Err(Refused::broken("an entry is named twice"));
    }
    before.path = told.path.or(before.path.take());
    before.size = told.size.or(before.size.take());
    Ok(())
}

/// Reads PAX records: `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax(text: &[u8]) -> Result<Ahead, Refused> {
    let broken = || Refused::broken("an extended header can't be read");
    let (mut rest, mut told) = (text, Ahead::default());
    while !rest.is_empty() {
        let space = rest.iter().take(8).position(|byte| *byte == b' ').ok_or_else(broken)?;
        let digits = std::str::from_utf8(&rest[..space]).map_err(|_| broken())?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let len: usize = is_number.then(|| digits.parse().ok()).flatten().ok_or_else(broken)?;
        let record = rest.get(space + 1..len).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or_else(broken)?;
        rest = &rest[len..];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" if told.path.is_none() => told.path = Some(value.to_vec()),
            b"size" if told.size.is_none() => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                told.size = Some(number.ok_or_else(broken)?);
            }
            b"path" | b"size" => return Err(Refused::broken("an entry is named twice")),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(Refused::Kind { name: shown(key), kind: "a sparse file" });
            }
            // Times, owners, attributes: nothing of them is kept.
            _ => {}
        }
    }
    Ok(told)
}

/// Unpacks one entry.
fn place(
    entry: &mut Entry<'_, impl Read>,
    size: u64,
    ahead: Ahead,
    meter: &Meter,
    tree: &mut Tree<'_>,
) -> Result<(), Error> {
    let name = ahead.path.unwrap_or_else(|| entry.header().path_bytes().into_owned());
    if ahead.size.is_some_and(|told| told != size) {
        let name = shown(&name);
        return Err(Refused::broken(format!("its two headers of {name} give two sizes")).into());
    }
    let kind = entry.header().entry_type();
    let is_folder = kind.is_dir() || (is_plain(entry.header()) && name.ends_with(b"/"));
    if is_folder {
        tree.folder(&name)?;
        let has_bytes = || Refused::broken(format!("the folder {} has bytes", shown(&name)));
        return if size > 0 { Err(has_bytes().into()) } else { Ok(()) };
    }
    if !is_plain(entry.header()) {
        return Err(Refused::Kind { name: shown(&name), kind: kind_word(kind) }.into());
    }
    if size > meter.room() {
        return Err(Refused::Bytes { limit: meter.limit() }.into());
    }
    let mode = entry.header().mode().map_err(|error| meter.explain(&error))?;
    let written = tree.file(&name, mode & 0o111 != 0, entry)?;
    if written != size {
        return Err(Refused::broken("it ends too early").into());
    }
    Ok(())
}

/// A file of bytes, by the format's two letters for one.
fn is_plain(header: &Header) -> bool {
    matches!(header.as_bytes()[156], b'0' | 0)
}

fn kind_word(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a FIFO",
        EntryType::GNUSparse => "a sparse file",
        EntryType::GNULongLink => "a link with a long target",
        _ => "of an unknown kind",
    }
}

/// Reads on to the end of the gzip, whose sum and length are checked there. After the tar only zeros may follow.
fn read_rest(rest: &mut impl Read, meter: &Meter) -> Result<(), Error> {
    let mut buffer = [0; 8192];
    loop {
        let read = rest.read(&mut buffer).map_err(|error| meter.explain(&error))?;
        if read == 0 {
            return Ok(());
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            return Err(Refused::broken("something follows its end").into());
        }
    }
}
