//! pip's `requirements.txt`: lines of a name, a version, a marker and hashes. Options are refused, since they are the
//! operator's.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::{Brought, Install, Wanted, differs};

/// A name with extras, specifiers, a marker, hashes.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let line = r"(?x)^
        ([A-Za-z0-9][A-Za-z0-9._-]*(?:\s*\[[^\]]*\])?)
        \s*\(?\s*([^;()]*?)\s*\)?
        (?:\s*;\s*([A-Za-z0-9_.,\x20'\x22<>=!~()+*-]+?))?
        ((?:\s+--hash=sha(?:256|384|512):[0-9a-f]+)*)
        $";
    Regex::new(line).expect("it is a constant, and tests use it")
});

/// The file for pip.
///
/// # Errors
/// A sentence that begins with the file's name and the line.
pub fn wanted(
    install: &Install,
    dependencies: &BTreeMap<String, String>,
    brought: &Brought,
) -> Result<Wanted, String> {
    let own = lines(brought.manifest.as_deref().unwrap_or_default());
    let mut listed: BTreeMap<String, String> = BTreeMap::new();
    let mut text = String::new();
    let mut packages = Vec::new();
    for (number, line) in own {
        let wrong = |why: String| format!("{}, line {number}: {why}", install.manifest);
        let parts = LINE.captures(&line).ok_or_else(|| {
            wrong(format!("{line:?} is no package with a version; options, URLs and paths are not allowed"))
        })?;
        let without_spaces = |part: &str| part.split_whitespace().collect::<String>();
        let (name, version) = (without_spaces(&parts[1]), without_spaces(&parts[2]));
        install.check_one(&name, &version).map_err(wrong)?;
        let marker = parts.get(3).map(|marker| format!(" ; {}", marker.as_str().trim()));
        let marker = marker.unwrap_or_default();
        text.push_str(&format!("{name}{}{marker}{}\n", specifier(&version), &parts[4]));
        packages.push(format!("{name} {version}"));
        // With a marker, one of several lines is the one that counts.
        if marker.is_empty() {
            listed.insert(plain(&name), specifier(&version));
        }
    }
    for (name, version) in dependencies {
        match listed.get(&plain(name)) {
            Some(listed) if *listed == without(&specifier(version)) => {}
            Some(listed) => return Err(differs(&install.manifest, name, listed, version)),
            None => {
                text.push_str(&format!("{name}{}\n", specifier(version)));
                packages.push(format!("{name} {version}"));
            }
        }
    }
    Ok(Wanted { files: vec![(install.manifest.clone(), text)], packages, is_locked: false })
}

/// The lines that say something, comments gone, continued ones joined: (number of the first, text).
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_continued = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_end();
        let line = if line.trim_start().starts_with('#') { "" } else { line };
        let line = line.split_once(" #").map_or(line, |(before, _)| before).trim_end();
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut().filter(|_| is_continued) {
            Some((_, whole)) => *whole = format!("{} {}", whole.trim(), part.trim()).trim().to_owned(),
            None => lines.push((index + 1, part.trim().to_owned())),
        }
        is_continued = goes_on;
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// A name as the index compares it, without extras.
fn plain(name: &str) -> String {
    let name = name.split('[').next().unwrap_or_default().trim().to_ascii_lowercase();
    name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn without(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What follows a name: nothing for any version, and a version alone means just that one.
fn specifier(version: &str) -> String {
    match version {
        "" | "*" | "latest" => String::new(),
        exact if exact.starts_with(|first: char| first.is_ascii_digit()) => format!("=={exact}"),
        range => range.to_owned(),
    }
}
