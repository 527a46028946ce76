//! Go modules: a package's `go.mod` and `go.sum` as they are, and the function's own list beside them. The tool that
//! reads them decides what is wrong with them.

use std::collections::BTreeMap;

use crate::{Brought, Install, Wanted};

/// The file that the function's own list is written to.
const LIST: &str = "dependencies.txt";

/// The files for the runtime's installer.
pub fn wanted(install: &Install, dependencies: &BTreeMap<String, String>, brought: &Brought) -> Wanted {
    let mut files = Vec::new();
    let mut packages = Vec::new();
    let mut is_locked = false;
    if let Some(manifest) = &brought.manifest {
        if manifest.lines().any(|line| line.trim_start().starts_with("require")) {
            packages.push(format!("the modules of {}", install.manifest));
        }
        files.push((install.manifest.clone(), manifest.clone()));
        files.extend(brought.lock.clone());
        is_locked = brought.lock.is_some() && dependencies.is_empty();
    }
    let mut list = String::new();
    for (name, version) in dependencies {
        list.push_str(&format!("{name} {}\n", query(version)));
        packages.push(format!("{name} {version}"));
    }
    files.push((LIST.to_owned(), list));
    Wanted { files, packages, is_locked }
}

/// A version as the go command takes it: numbers have a `v` before them.
fn query(version: &str) -> String {
    if matches!(version, "" | "*" | "latest") {
        return "latest".to_owned();
    }
    let number = version.trim_start_matches(['<', '>', '=']);
    let comparison = &version[..version.len() - number.len()];
    let v = if number.starts_with('v') { "" } else { "v" };
    format!("{comparison}{v}{number}")
}
