//! Which runtime serves, and how bundles are kept: with an invented language whose toolchains are this very program.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cloudbox_bundles::{Catalogue, Error, SearchPlaces, Settings, State, Toolchains};
use cloudbox_types::{Image, Language, Limits};
use tempfile::TempDir;

const DEFINITION: &str = r#"
language = "invented"
serves = ["javascript"]
prefix = "inv"
default = "1.2"
memory_floor_mb = 64
starts_before_code = true
is_executable = false
has_build_root = false
needs_zone_info = false
versions = [
    { version = "1.1", end_of_life = "2020-01-31" },
    { version = "1.2", end_of_life = "2024-06-30" },
    { version = "1.3", end_of_life = "2030-01-31" },
    { version = "1.10" },
]

[source]
default_name = "index"
extensions = { javascript = "js" }

[toolchain]
programs = ["tool-*"]
version_args = ["--exact", "print_the_version", "--nocapture"]

[[content]]
from = "{prefix}/share"
to = "/usr/share/invented"

[[file]]
from = "*.inv"
to = "/cloudbox"

[start]
argv = ["/bin/tool", "--heap={heap_mb}", "{brace}"]
env = { LIMIT = "{heap_mb}", TZ = "CET" }

[[start.classes]]
from_memory_mb = 64
values = { heap_mb = 20, brace = 1 }

[[start.classes]]
from_memory_mb = 256
values = { heap_mb = 200, brace = 2 }

[check]
argv = ["/bin/tool", "check", "{main}", "{entry_point}"]
"#;

/// What a copy of this program does when it is taken for a toolchain.
#[test]
fn print_the_version() {
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    println!("\n{}", name.strip_prefix("tool-").unwrap_or("no version"));
}

/// A machine with toolchains of these versions.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(versions: &[&str]) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        let invented = machine.path("runtimes/invented");
        fs::create_dir_all(invented.join("tests")).unwrap();
        fs::create_dir_all(machine.path("opt/bin")).unwrap();
        fs::create_dir_all(machine.path("opt/share")).unwrap();
        fs::write(machine.path("opt/share/data"), "data").unwrap();
        fs::write(machine.path("opt/bin/tool-script"), "#!/bin/sh\necho 1.3.9").unwrap();
        fs::write(machine.path("init"), "init").unwrap();
        fs::write(invented.join("runtime.toml"), DEFINITION).unwrap();
        fs::write(invented.join("shim.inv"), "shim").unwrap();
        fs::write(invented.join("tests/test.inv"), "test").unwrap();
        for version in versions {
            machine.add(version);
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&self, version: &str) {
        let program = self.path("opt/bin").join(format!("tool-{version}"));
        let test = std::env::current_exe().unwrap();
        // A copy may still be open in a process that another test starts at this moment, and can't be run then.
        fs::hard_link(&test, &program).or_else(|_| fs::copy(&test, &program).map(drop)).unwrap();
    }

    fn settings(&self) -> Settings {
        Settings {
            runtimes_dir: Some(self.path("runtimes")),
            bundles_dir: self.path("bundles"),
            init: self.path("init"),
            toolchains: Toolchains::default(),
            places: SearchPlaces {
                path: vec![self.path("nowhere"), self.path("opt/bin")],
                roots: std::collections::BTreeMap::new(),
            },
            is_strict: false,
            has_images: false,
            today: jiff::civil::date(2026, 11, 21),
        }
    }

    fn catalogue(&self) -> Catalogue {
        Catalogue::open(self.settings()).unwrap()
    }

    fn bundles(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("bundles")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with(".lock")).collect()
    }
}

fn resolve(catalogue: &Catalogue, requested: Option<&str>) -> (String, Vec<String>) {
    let resolved = catalogue.resolve(Language::Javascript, requested).unwrap();
    (resolved.runtime, resolved.warnings)
}

#[test]
fn the_runtime_asked_for_serves_where_it_is_here() {
    let machine = Machine::new(&["1.2.9", "1.3.0", "1.10.1"]);
    let catalogue = machine.catalogue();
    assert_eq!(resolve(&catalogue, Some("inv1.3")), ("inv1.3".to_owned(), vec![]));
    assert_eq!(resolve(&catalogue, Some("inv1.10")), ("inv1.10".to_owned(), vec![]));
    assert_eq!(
        resolve(&catalogue, None),
        ("inv1.3".to_owned(), vec![]),
        "one that is supported is preferred"
    );
    let ended = |name: &str| format!("{name} reached its end of life on 2024-06-30");
    let newer = format!("{}; choose another with `runtime`: inv1.3 is here", ended("inv1.2"));
    assert_eq!(resolve(&catalogue, Some("inv1.2")), ("inv1.2".to_owned(), vec![newer]));

    let old = Machine::new(&["1.1.1", "1.2.9"]).catalogue();
    assert_eq!(
        resolve(&old, None),
        ("inv1.2".to_owned(), vec![ended("inv1.2, the default,")]),
        "none is here"
    );
    let why = "inv1.1 reached its end of life on 2020-01-31".to_owned();
    assert_eq!(resolve(&old, Some("inv1.1")), ("inv1.1".to_owned(), vec![why]));
}

#[test]
fn else_the_nearest_newer_one_serves_with_a_warning() {
    let machine = Machine::new(&["1.3.0", "1.10.1"]);
    let catalogue = machine.catalogue();
    let absent =
        |called: &str| format!("runtime {called} is not on this machine; inv1.3 serves in its place");
    for requested in ["inv1.1", "inv1.2"] {
        let (runtime, warnings) = resolve(&catalogue, Some(requested));
        assert_eq!((runtime.as_str(), warnings), ("inv1.3", vec![absent(requested)]));
    }

    let machine = Machine::new(&["1.3.0"]);
    let later = Settings { today: jiff::civil::date(2031, 1, 1), ..machine.settings() };
    let (runtime, warnings) = resolve(&Catalogue::open(later).unwrap(), None);
    let ended = "inv1.3 reached its end of life on 2030-01-31".to_owned();
    assert_eq!((runtime.as_str(), warnings), ("inv1.3", vec![absent("inv1.2, the default,"), ended]));
}

#[test]
fn no_older_one_and_no_unknown_one_serves() {
    let machine = Machine::new(&["1.2.9"]);
    let catalogue = machine.catalogue();
    let error = catalogue.resolve(Language::Javascript, Some("inv1.3")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "runtime inv1.3 is not on this machine, nor is a newer one; available: inv1.2"
    );
    let error = catalogue.resolve(Language::Javascript, Some("inv9")).unwrap_err();
    assert!(matches!(&error, Error::Unknown { known, .. } if known.len() == 4));
    assert_eq!(
        error.to_string(),
        "runtime \"inv9\" does not serve javascript; it must be one of inv1.1, inv1.2, inv1.3, inv1.10"
    );
    assert!(matches!(catalogue.resolve(Language::Go, Some("inv1.2")), Err(Error::Unknown { .. })));
}

#[test]
fn strict_means_the_very_one() {
    let machine = Machine::new(&["1.3.0"]);
    let catalogue = Catalogue::open(Settings { is_strict: true, ..machine.settings() }).unwrap();
    assert_eq!(resolve(&catalogue, Some("inv1.3")).0, "inv1.3");
    let error = catalogue.resolve(Language::Javascript, Some("inv1.2")).unwrap_err();
    assert_eq!(error.to_string(), "runtime inv1.2 is not on this machine; available: inv1.3");
}

#[test]
fn runtimes_are_listed_with_their_state() {
    let machine = Machine::new(&["1.3.0", "1.3.4"]);
    let runtimes = machine.catalogue().runtimes();
    let told: Vec<_> = runtimes
        .iter()
        .map(|info| (info.name.as_str(), info.state, info.is_default, info.toolchain.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("inv1.1", State::Absent, false, None),
            ("inv1.2", State::Absent, false, None),
            ("inv1.3", State::Ready, true, Some("1.3.4")),
            ("inv1.10", State::Absent, false, None),
        ]
    );
}

#[tokio::test]
async fn a_bundle_is_made_once_and_its_digest_depends_on_content_alone() {
    let machine = Machine::new(&["1.3.0"]);
    let catalogue = machine.catalogue();
    let (one, other) = tokio::join!(catalogue.bundle("inv1.3"), catalogue.bundle("inv1.3"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(std::sync::Arc::ptr_eq(&one, &other));
    assert_eq!(machine.bundles().len(), 1);

    let root = &one.run.path;
    assert_eq!(fs::read(root.join("cloudbox/shim.inv")).unwrap(), b"shim");
    assert!(!root.join("cloudbox/tests").exists());
    assert_eq!(fs::read(root.join("usr/share/invented/data")).unwrap(), b"data");
    assert_eq!(root.join("cloudbox/init").metadata().unwrap().permissions().mode() & 0o7777, 0o755);

    let elsewhere = Machine::new(&["1.3.0"]).catalogue().bundle("inv1.3").await.unwrap();
    assert_eq!(elsewhere.run.digest, one.run.digest);
    assert_ne!(elsewhere.run.path, one.run.path);
}

#[tokio::test]
async fn a_change_or_damage_makes_it_anew() {
    let machine = Machine::new(&["1.3.0"]);
    let first = machine.catalogue().bundle("inv1.3").await.unwrap();

    fs::write(first.run.path.join("cloudbox/shim.inv"), "").unwrap();
    let mended = machine.catalogue().bundle("inv1.3").await.unwrap();
    assert_eq!(fs::read(mended.run.path.join("cloudbox/shim.inv")).unwrap(), b"shim");
    assert_eq!(mended.run, first.run);

    let shim = machine.path("runtimes/invented/shim.inv");
    fs::write(&shim, "another shim").unwrap();
    let changed = machine.catalogue().bundle("inv1.3").await.unwrap();
    assert_ne!(changed.run.digest, first.run.digest);
    assert!(mended.run.path.exists(), "somebody still uses the older one");

    drop((first, mended, changed));
    fs::write(&shim, "a third shim").unwrap();
    machine.catalogue().bundle("inv1.3").await.unwrap();
    assert_eq!(machine.bundles().len(), 1, "nobody uses the older ones");
}

#[tokio::test]
async fn nobody_finds_half_of_a_bundle_that_goes() {
    let machine = Machine::new(&["1.3.0"]);
    for number in 0..2000 {
        fs::write(machine.path(&format!("opt/share/{number}")), "").unwrap();
    }
    let first = machine.catalogue().bundle("inv1.3").await.unwrap();
    let folder = first.run.path.parent().unwrap().to_owned();
    let last = first.run.path.join("usr/share/invented/0");
    drop(first);
    fs::write(machine.path("runtimes/invented/shim.inv"), "another shim").unwrap();
    let watch = std::thread::spawn(move || {
        while last.exists() {}
        folder.exists()
    });
    machine.catalogue().bundle("inv1.3").await.unwrap();
    assert!(!watch.join().unwrap(), "what went first was its name");
    assert_eq!(machine.bundles().len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_a_failure_leaves_nothing() {
    let machine = Machine::new(&["1.3.0"]);
    fs::create_dir_all(machine.path("bundles/.making-x/run")).unwrap();
    fs::remove_file(machine.path("init")).unwrap();
    let catalogue = machine.catalogue();
    let error = catalogue.bundle("inv1.3").await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert_eq!(machine.bundles(), Vec::<String>::new());

    fs::write(machine.path("init"), "init").unwrap();
    assert!(catalogue.bundle("inv1.3").await.is_ok(), "the next one tries again");
    assert!(matches!(catalogue.bundle("inv1.2").await, Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn programs_depend_on_the_memory_class() {
    let machine = Machine::new(&["1.3.0"]);
    let bundle = machine.catalogue().bundle("inv1.3").await.unwrap();
    let program = |memory_mb| bundle.program(&Limits { memory_mb, ..Limits::default() });
    assert_eq!(program(128).argv, ["/bin/tool", "--heap=20", "1"]);
    assert_eq!(program(64), program(255));
    assert_eq!(program(256).env["LIMIT"], "200");
    assert_eq!(program(1024).env["TZ"], "CET");
    assert_eq!(program(1024).env["HOME"], "/tmp");
    let check = bundle.check("index.js", "handler").unwrap();
    assert_eq!(check.argv, ["/bin/tool", "check", "index.js", "handler"]);
    assert!(bundle.compile("index.js", "handler").is_none());
    assert_eq!(bundle.source_file(Language::Javascript, "handler").as_deref(), Some("index.js"));
    assert_eq!(bundle.source_file(Language::Javascript, "app.main").as_deref(), Some("app.js"));
    assert_eq!(bundle.source_file(Language::Go, "handler"), None);
}

#[test]
fn a_wrong_definition_is_refused_with_its_field() {
    for (from, to, why) in [
        ("default = \"1.2\"", "default = \"1.4\"", "`default` is 1.4"),
        ("prefix = \"inv\"", "prefix = \"inv\"\nprefiks = 1", "prefiks"),
        ("version = \"1.10\"", "version = \"latest\"", "\"latest\" must be numbers"),
        ("version = \"1.10\"", "version = \"1.0\"", "must be sorted"),
        ("--heap={heap_mb}", "--heap={heap}", "no class has a value"),
        ("serves = [\"javascript\"]", "serves = [\"python\"]", "lacks python"),
    ] {
        let machine = Machine::new(&[]);
        let text = DEFINITION.replacen(from, to, 1);
        fs::write(machine.path("runtimes/invented/runtime.toml"), text).unwrap();
        let error = Catalogue::open(machine.settings()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_built_in_languages_follow_the_contract() {
    let machine = Machine::new(&[]);
    let settings = Settings { runtimes_dir: None, places: SearchPlaces::default(), ..machine.settings() };
    let catalogue = Catalogue::open(settings).unwrap();
    let defaults = [
        (Language::Javascript, "nodejs18"),
        (Language::Typescript, "nodejs18"),
        (Language::Python, "python3.9"),
        (Language::Go, "go1.19"),
    ];
    for (language, runtime) in defaults {
        assert_eq!(catalogue.default_runtime(language), Some(runtime));
    }
    let node = ["nodejs14", "nodejs16", "nodejs18", "nodejs20", "nodejs22", "nodejs24"];
    assert_eq!(catalogue.names(Language::Javascript), node);
    let python = [7, 8, 9, 10, 11, 12, 13].map(|minor| format!("python3.{minor}"));
    assert_eq!(catalogue.names(Language::Python), python);
    let go = catalogue.names(Language::Go);
    let first = (18..=26).map(|minor| format!("go1.{minor}"));
    assert!(first.zip(&go).all(|(expected, name)| expected == *name) && go.len() >= 9, "{go:?}");
    let error = catalogue.resolve(Language::Go, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "runtime go1.19 is not on this machine, nor is a newer one; no runtime of go is"
    );
}

#[test]
fn a_bundles_folder_that_is_a_file_is_an_error() {
    let machine = Machine::new(&[]);
    fs::write(machine.path("bundles"), "").unwrap();
    let error = Catalogue::open(machine.settings()).unwrap_err();
    assert!(matches!(error, Error::Io { path, .. } if path == machine.path("bundles")));
}

#[tokio::test]
async fn what_is_laid_over_images_goes_when_no_process_uses_it() {
    let machine = Machine::new(&["1.2"]);
    let overs = || machine.bundles().into_iter().filter(|name| name.starts_with("over-")).collect::<Vec<_>>();
    let image = Image {
        name: "a:1".to_owned(),
        id: "sha256:0".to_owned(),
        argv: Vec::new(),
        env: BTreeMap::new(),
        workdir: String::new(),
        build: None,
    };
    let (one, other) = (machine.catalogue(), machine.catalogue());
    drop(one.image_bundle(Language::Javascript, &image).await.unwrap());
    let name = overs().pop().unwrap();
    // That of an earlier release, which another process took away from under this one.
    fs::create_dir(machine.path("bundles").join("over-invented-0000000000000000")).unwrap();
    fs::write(machine.path("bundles/over-invented-0000000000000000/file"), "four").unwrap();
    let old = vec![("over-invented-0000000000000000".to_owned(), 4)];
    assert_eq!(other.old_bundles().unwrap(), old, "one process still uses its own");
    assert!(!other.remove_bundle(&name).unwrap());
    assert!(other.remove_bundle(&old[0].0).unwrap() && other.remove_bundle(&old[0].0).unwrap());
    assert!(overs().contains(&name));
    drop(one);
    assert_eq!(other.old_bundles().unwrap().pop().unwrap().0, name);
    assert!(other.remove_bundle(&name).unwrap());
    assert_eq!((overs().len(), machine.bundles().iter().any(|left| left.starts_with(".making"))), (0, false));
    let bundle = other.image_bundle(Language::Javascript, &image).await.unwrap();
    assert!(bundle.run.path.join("cloudbox/init").is_file(), "made again");
}
