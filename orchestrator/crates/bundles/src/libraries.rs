//! The shared libraries that programs need, as the machine's loader resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::command::{self, Stop};
use crate::error::Error;

/// Programs asked about in one run of `ldd`.
const BATCH: usize = 64;

/// Folders that a loader searches by itself, besides that of the C library.
const STANDARD: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// What the C library itself loads by name when it is needed (name services, and the end of a thread), and what
/// compiled packages may expect of any system (PEP 513).
const LOADED_LATE: [&str; 10] = [
    "libgcc_s.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libresolv.so.2",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
];

/// Every library that `programs` need, theirs included: where it goes in a root -> where it is here.
///
/// A library outside of the loader's own folders (a private `lib` found by a run path) goes beside the C library, where
/// the loader finds it without the machine's cache and without the machine's paths.
///
/// # Errors
/// `ldd` can't be run.
pub fn needed(programs: &[PathBuf], stop: &Stop) -> Result<BTreeMap<PathBuf, PathBuf>, Error> {
    let mut libraries = BTreeSet::new();
    for batch in programs.chunks(BATCH) {
        let output = command::run(Path::new("/usr/bin/ldd"), batch, &BTreeMap::new(), Path::new("/"), stop)
            .map_err(Error::io("starting", "/usr/bin/ldd"))?;
        libraries.extend(parse(&String::from_utf8_lossy(&output.stdout)));
    }
    let home = home(&libraries);
    let loaded_late = LOADED_LATE.iter().map(|name| home.join(name)).filter(|path| path.is_file());
    if !libraries.is_empty() {
        libraries.extend(loaded_late.collect::<Vec<_>>());
    }
    Ok(libraries.into_iter().map(|library| (place(&library, &home), library)).collect())
}

/// The paths in what `ldd` prints: `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`, and the loader's own line.
fn parse(text: &str) -> impl Iterator<Item = PathBuf> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let (path, _) = path.rsplit_once(" (")?;
        path.starts_with('/').then(|| PathBuf::from(path))
    })
}

/// The folder of the C library.
fn home(libraries: &BTreeSet<PathBuf>) -> PathBuf {
    let is_libc = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "libc.so.6");
    let libc = libraries.iter().find(is_libc).and_then(|path| path.parent());
    libc.unwrap_or(Path::new("/usr/lib")).to_owned()
}

fn place(library: &Path, home: &Path) -> PathBuf {
    let folder = library.parent().unwrap_or(home);
    let is_standard = folder == home || STANDARD.iter().any(|standard| folder == Path::new(standard));
    match library.file_name() {
        Some(name) if !is_standard => home.join(name),
        _ => library.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "/usr/bin/a:
\tlinux-vdso.so.1 (0x00007f44cb6d0000)
\tlibpython3.12.so.1.0 => /opt/python/lib/libpython3.12.so.1.0 (0x00007f44cb000000)
\tlibgone.so.1 => not found
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f44cae1e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f44cb6d2000)
/usr/bin/b:
\tnot a dynamic executable
";

    #[test]
    fn paths_are_read_and_private_ones_moved() {
        let libraries: BTreeSet<PathBuf> = parse(PRINTED).collect();
        assert_eq!(libraries.len(), 3);
        let home = home(&libraries);
        assert_eq!(home, Path::new("/lib/x86_64-linux-gnu"));
        let moved = place(Path::new("/opt/python/lib/libpython3.12.so.1.0"), &home);
        assert_eq!(moved, home.join("libpython3.12.so.1.0"));
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        assert_eq!(place(loader, &home), loader);
    }
}
