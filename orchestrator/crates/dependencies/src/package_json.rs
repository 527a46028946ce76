//! npm's `package.json` and its lock. Of a package's own files only what names packages of a registry is passed on.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Brought, Install, Wanted, differs};

/// The parts of a manifest that say what is installed.
const LISTS: [&str; 2] = ["dependencies", "optionalDependencies"];

/// The files for npm.
///
/// # Errors
/// A sentence that begins with the file's name.
pub fn wanted(
    install: &Install,
    dependencies: &BTreeMap<String, String>,
    brought: &Brought,
) -> Result<Wanted, String> {
    let own = brought.manifest.as_deref().map_or(Ok(Map::new()), |text| object(&install.manifest, text))?;
    let mut manifest = Map::from_iter([("private".to_owned(), json!(true))]);
    for list in LISTS {
        if let Some(packages) = own.get(list) {
            manifest.insert(list.to_owned(), json!(packages_of(install, list, packages)?));
        }
    }
    if let Some(overrides) = own.get("overrides") {
        check_overrides(install, overrides)?;
        manifest.insert("overrides".to_owned(), overrides.clone());
    }
    let mut is_known_to_lock = true;
    for (name, version) in dependencies {
        let listed = LISTS.iter().find_map(|list| manifest.get(*list)?.get(name)?.as_str());
        match listed {
            Some(listed) if listed == version => {}
            Some(listed) => return Err(differs(&install.manifest, name, listed, version)),
            None => {
                is_known_to_lock = false;
                let list = manifest.entry(LISTS[0]).or_insert_with(|| json!({}));
                list[name.as_str()] = json!(version);
            }
        }
    }
    let listed = LISTS.iter().filter_map(|list| manifest.get(*list)?.as_object()).flatten();
    let packages = listed.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()));
    let packages = packages.collect();
    let mut files = vec![(install.manifest.clone(), Value::Object(manifest).to_string())];
    let is_locked = brought.lock.is_some() && is_known_to_lock;
    if let Some((name, text)) = &brought.lock {
        files.push((name.clone(), lock(name, text)?));
    }
    Ok(Wanted { files, packages, is_locked })
}

fn object(file: &str, text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{file} must be a JSON object")),
        Err(error) => Err(format!("{file} is no JSON: {error}")),
    }
}

fn packages_of(install: &Install, list: &str, packages: &Value) -> Result<BTreeMap<String, String>, String> {
    let file = &install.manifest;
    let wrong = || format!("{file}: `{list}` must be an object of names and versions");
    let mut checked = BTreeMap::new();
    for (name, version) in packages.as_object().ok_or_else(wrong)? {
        let version = version.as_str().ok_or_else(wrong)?;
        install.check_one(name, version).map_err(|why| format!("{file}: {why}"))?;
        checked.insert(name.clone(), version.to_owned());
    }
    Ok(checked)
}

/// Overrides are nested as deep as dependencies are. `$name` stands for the version of a dependency.
fn check_overrides(install: &Install, overrides: &Value) -> Result<(), String> {
    let is_version = |text: &str| {
        install.version.pattern.is_match(text)
            || text.strip_prefix('$').is_some_and(|name| install.name.pattern.is_match(name))
    };
    match overrides {
        Value::Object(inner) => inner.values().try_for_each(|value| check_overrides(install, value)),
        Value::String(text) if is_version(text) => Ok(()),
        other => {
            Err(format!("{}: `overrides` has {other}; it must be {}", install.manifest, install.version.says))
        }
    }
}

/// The lock without the places that its packages were fetched from: they come from the operator's registry, and
/// `integrity` tells whether they are the same.
fn lock(file: &str, text: &str) -> Result<String, String> {
    let mut lock = object(file, text)?;
    if let Some(packages) = lock.get_mut("packages").and_then(Value::as_object_mut) {
        for (path, package) in packages.iter_mut().filter(|(path, _)| !path.is_empty()) {
            let Some(package) = package.as_object_mut() else { continue };
            if package.get("link").is_some_and(|link| link != &json!(false))
                || !path.starts_with("node_modules/")
            {
                return Err(format!("{file}: {path:?} is a folder, and no package of a registry"));
            }
            forget_place(file, path, package)?;
        }
    }
    if let Some(tree) = lock.get_mut("dependencies").and_then(Value::as_object_mut) {
        check_tree(file, tree)?;
    }
    Ok(Value::Object(lock).to_string())
}

/// The older form, in which packages are nested.
fn check_tree(file: &str, tree: &mut Map<String, Value>) -> Result<(), String> {
    for (name, package) in tree.iter_mut() {
        let Some(package) = package.as_object_mut() else { continue };
        let version = package.get("version").and_then(Value::as_str).unwrap_or_default();
        if version.contains([':', '/']) {
            return Err(format!("{file}: {name:?} is {version:?}, and no package of a registry"));
        }
        forget_place(file, name, package)?;
        if let Some(inner) = package.get_mut("dependencies").and_then(Value::as_object_mut) {
            check_tree(file, inner)?;
        }
    }
    Ok(())
}

fn forget_place(file: &str, name: &str, package: &mut Map<String, Value>) -> Result<(), String> {
    match package.remove("resolved") {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(Value::String(place)) if place.starts_with("https://") || place.starts_with("http://") => Ok(()),
        Some(other) => Err(format!("{file}: {name:?} is {other}, and no package of a registry")),
    }
}
