//! Bundles of the toolchains that this machine has: made, whole, and able to run.

#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::disallowed_methods, reason = "programs are started inside the roots that were made")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use cloudbox_bundles::{Bundle, Catalogue, SearchPlaces, Settings, State, Toolchains};
use cloudbox_types::{Language, Limits};

fn settings(folder: &Path) -> Settings {
    let init = folder.join("init");
    std::fs::write(&init, "#!init").unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    Settings {
        runtimes_dir: None,
        bundles_dir: folder.join("bundles"),
        init,
        toolchains: Toolchains::default(),
        places: SearchPlaces {
            path: std::env::split_paths(&path).collect(),
            roots: BTreeMap::from([("pyenv_root".to_owned(), home.join(".pyenv"))]),
        },
        is_strict: false,
        has_images: false,
        today: jiff::civil::date(2026, 11, 21),
    }
}

/// Runs a program with nothing but the root to see.
fn inside(root: &Path, argv: &[&str]) -> Output {
    Command::new("unshare")
        .args(["--map-root-user", "--net", "--root"])
        .arg(root)
        .args(argv)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[expect(clippy::print_stderr, reason = "who reads the test's output is to know")]
fn print_skip(language: Language) {
    eprintln!("skipped: no {language} on this machine");
}

/// The newest runtime of a language that is here; none, with a line that says so, where there is none.
async fn bundle(catalogue: &Catalogue, language: Language) -> Option<Arc<Bundle>> {
    let is_here = |info: &&cloudbox_bundles::RuntimeInfo| {
        info.languages.contains(&language) && info.state == State::Ready
    };
    let runtimes = catalogue.runtimes();
    let Some(info) = runtimes.iter().rev().find(is_here) else {
        print_skip(language);
        return None;
    };
    let bundle = catalogue.bundle(&info.name).await.unwrap();
    assert_eq!(Some(&bundle.toolchain), info.toolchain.as_ref());
    Some(bundle)
}

fn assert_base(root: &Path) {
    for path in ["workspace", "tmp", "proc", "dev", "run/cloudbox", "etc/passwd", "etc/resolv.conf"] {
        assert!(root.join(path).exists(), "{path}");
    }
    assert_eq!(std::fs::read(root.join("cloudbox/init")).unwrap(), b"#!init");
    let tmp = root.join("tmp").metadata().unwrap().permissions().mode();
    assert_eq!(tmp & 0o7777, 0o1777);
    for absent in ["root", "home", "etc/shadow", "bin/sh"] {
        assert!(!root.join(absent).exists(), "{absent}");
    }
}

#[tokio::test]
async fn node_runs_in_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(settings(folder.path())).unwrap();
    let Some(bundle) = bundle(&catalogue, Language::Javascript).await else { return };
    assert_base(&bundle.run.path);
    assert_eq!(bundle.run, bundle.build);
    let program = bundle.program(&Limits::default());
    let flags: Vec<&str> = program.argv.iter().map(String::as_str).take(3).collect();
    let shown = "const v8 = require('v8'); require('https'); console.log(process.version, \
                 v8.getHeapStatistics().heap_size_limit < 128 << 20, new Intl.DateTimeFormat().resolvedOptions().locale)";
    let answer = text(&inside(&bundle.run.path, &[&flags[..], &["-e", shown]].concat()));
    assert!(answer.starts_with(&format!("v{} true", bundle.toolchain)), "{answer}");
}

#[tokio::test]
async fn python_runs_in_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(settings(folder.path())).unwrap();
    let Some(bundle) = bundle(&catalogue, Language::Python).await else { return };
    assert_base(&bundle.run.path);
    let script = "import ssl, sqlite3, ctypes, hashlib, asyncio, json, zoneinfo, platform, sys\n\
                  print(platform.python_version(), sys.prefix, zoneinfo.ZoneInfo('Europe/Berlin'), \
                  ssl.create_default_context().cert_store_stats()['x509_ca'] > 0, json.__cached__)";
    let answer = text(&inside(&bundle.run.path, &["/usr/local/bin/python3", "-I", "-B", "-c", script]));
    assert!(answer.starts_with(&format!("{} /usr/local Europe/Berlin", bundle.toolchain)), "{answer}");
    let cached = answer.rsplit(' ').next().unwrap().trim_start_matches('/');
    assert!(bundle.run.path.join(cached).is_file(), "{cached}");
}

#[tokio::test]
async fn go_has_a_build_root_with_a_warm_cache() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    // Kept between runs: it takes a minute on a busy machine.
    settings.bundles_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundles-of-go");
    let catalogue = Catalogue::open(settings).unwrap();
    let Some(bundle) = bundle(&catalogue, Language::Go).await else { return };
    assert_base(&bundle.run.path);
    assert_base(&bundle.build.path);
    assert_ne!(bundle.run, bundle.build);
    assert!(!bundle.run.path.join("usr/local/go").exists());
    for path in ["usr/local/go/bin/go", "usr/local/go-cache", "cloudbox/gobuild", "cloudbox/shim"] {
        assert!(bundle.build.path.join(path).exists(), "{path}");
    }
    let version = text(&inside(&bundle.build.path, &["/usr/local/go/pkg/tool/linux_amd64/compile", "-V"]));
    assert!(version.contains(&bundle.toolchain), "{version}");
}

#[tokio::test]
async fn a_second_life_uses_the_bundle_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(settings(folder.path())).unwrap();
    let Some(first) = bundle(&catalogue, Language::Javascript).await else { return };
    let made = first.run.path.metadata().unwrap().modified().unwrap();

    let mut settings = settings(folder.path());
    let again = Catalogue::open(settings.clone()).unwrap();
    let second = bundle(&again, Language::Javascript).await.unwrap();
    assert_eq!(first.run, second.run);
    assert_eq!(second.run.path.metadata().unwrap().modified().unwrap(), made);

    // And even where the toolchain is gone meanwhile.
    settings.places = SearchPlaces::default();
    let without = Catalogue::open(settings).unwrap();
    let third = without.bundle(&first.runtime).await.unwrap();
    assert_eq!(first.run, third.run);
    let ready: Vec<String> = without
        .runtimes()
        .into_iter()
        .filter(|info| info.state == State::Ready)
        .map(|info| info.name)
        .collect();
    assert_eq!(ready, std::slice::from_ref(&first.runtime));
}
