//! The invariants of docs/ARCHITECTURE.md that a manifest or a source file can break.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which crate of ours may import which. Whoever adds an edge changes docs/ARCHITECTURE.md with it.
const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("archive", &[]),
    ("storage", &["archive"]),
    ("protocol", &["types"]),
    ("egress", &["types"]),
    ("init", &["protocol"]),
    ("seccomp", &[]),
    ("cgroup", &["types"]),
    ("layers", &["cgroup", "protocol"]),
    ("sandbox", &["cgroup", "egress", "layers", "protocol", "seccomp", "types"]),
    ("drivers", &["cgroup", "layers", "protocol", "sandbox", "types"]),
    ("pace", &[]),
    ("pool", &["pace", "protocol", "sandbox", "types"]),
    ("turns", &[]),
    ("server", &["turns"]),
    ("database", &[]),
    ("documents", &["database", "types"]),
    ("store", &["database", "documents", "types"]),
    ("dependencies", &[]),
    ("mirrors", &["egress"]),
    ("bundles", &["dependencies", "sandbox", "types"]),
    ("images", &["archive", "bundles", "protocol", "sandbox", "storage", "types"]),
    ("artefacts", &["archive", "bundles", "dependencies", "storage", "types"]),
    (
        "deploy",
        &[
            "archive",
            "artefacts",
            "bundles",
            "check",
            "dependencies",
            "egress",
            "images",
            "mirrors",
            "protocol",
            "sandbox",
            "storage",
            "store",
            "types",
        ],
    ),
    (
        "dispatch",
        &[
            "artefacts",
            "bundles",
            "deploy",
            "documents",
            "egress",
            "images",
            "pool",
            "protocol",
            "sandbox",
            "store",
            "turns",
            "types",
        ],
    ),
    ("check", &["types"]),
    ("api-types", &["types"]),
    ("http", &["api-types", "archive", "check", "dispatch", "storage", "store", "types"]),
    ("api", &["api-types", "dispatch", "http", "protocol", "storage", "store", "types"]),
    (
        "compatible",
        &["api", "api-types", "check", "dispatch", "http", "protocol", "storage", "store", "types"],
    ),
    ("routes", &["api", "api-types", "compatible", "http", "types"]),
    ("cli", &["api-types", "archive", "types"]),
];

/// The longest that a crate's own code may be: beyond, modules begin to import each other in circles.
const MAX_CRATE_LINES: usize = 4000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The crates of ours that a manifest's `[dependencies]` name.
fn edges(manifest: &Path) -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let names = manifest["dependencies"].as_table().unwrap().keys();
    names.filter_map(|name| name.strip_prefix("cloudbox-")).map(str::to_owned).collect()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn crates_import_one_way() {
    let crates = root().join("orchestrator/crates");
    let allowed: BTreeMap<_, BTreeSet<_>> =
        EDGES.iter().map(|(name, to)| (*name, to.iter().map(|to| (*to).to_owned()).collect())).collect();
    let mut found = 0;
    for entry in fs::read_dir(&crates).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let allowed =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} has no row in EDGES"));
        let edges = edges(&crates.join(&name).join("Cargo.toml"));
        let extra: Vec<_> = edges.difference(allowed).collect();
        assert!(extra.is_empty(), "{name} imports {extra:?}, which ARCHITECTURE.md doesn't allow");
        found += 1;
    }
    assert_eq!(found, EDGES.len(), "a row of EDGES names a crate that is gone");
}

#[test]
fn crates_stay_small() {
    for (name, _) in EDGES {
        let files = sources(&root().join("orchestrator/crates").join(name).join("src"));
        let tests = |path: &PathBuf| {
            path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests")
        };
        let lines: usize = files
            .iter()
            .filter(|path| !tests(path))
            .map(|path| fs::read_to_string(path).unwrap().lines().count())
            .sum();
        assert!(lines <= MAX_CRATE_LINES, "{name} has {lines} lines; split it");
    }
}

#[test]
fn unsafe_code_is_in_the_init_alone() {
    for path in sources(&root().join("orchestrator")) {
        let is_init = path.components().any(|part| part.as_os_str() == "init");
        let text = fs::read_to_string(&path).unwrap();
        assert!(is_init || !text.contains("unsafe {"), "{} has unsafe code", path.display());
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| -> BTreeSet<_> {
        let dir = root().join("migrations").join(database);
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn every_error_code_has_its_page() {
    for code in cloudbox_types::ErrorCode::ALL {
        let page = root().join(format!("docs/errors/{code}.md"));
        let text = fs::read_to_string(&page).unwrap_or_else(|_| panic!("{} is missing", page.display()));
        let status = format!("HTTP {}", code.http_status());
        assert!(text.contains(&status), "{} doesn't say {status}", page.display());
    }
    let pages = fs::read_dir(root().join("docs/errors")).unwrap().count();
    assert_eq!(pages, cloudbox_types::ErrorCode::ALL.len(), "a page for a code that is gone");
}
