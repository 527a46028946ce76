//! Toolchains that are fetched and removed: with an invented language, and a script for the client of its registry.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloudbox_bundles::{Catalogue, Error, RuntimeInfo, SearchPlaces, Settings, State, Toolchains};
use cloudbox_types::Language;
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
content = []
versions = [
    { version = "1.1" },
    { version = "1.2", release = "1.2.9", values = { beside = "b" } },
    { version = "1.3", release = "1.3.7", values = { beside = "b" } },
]
file = [{ from = "runtime.toml", to = "/cloudbox/runtime.toml" }]
start.argv = ["/bin/tool"]

[source]
default_name = "index"
extensions = { javascript = "js" }

[toolchain]
programs = ["tool-*"]
version_args = ["--exact", "print_the_version", "--nocapture"]

[toolchain.fetch]
argv = ["registry", "get", "{folder}", "tool-{release}", "{beside}-{arch}"]
env = { FOLDER = "{folder}" }
program = "bin/tool-{release}"
executables = ["/bin/*"]
excess = ["cache"]
arches = { x86_64 = "amd", aarch64 = "arm" }
"#;

/// What a copy of this program does when it is taken for a toolchain.
#[test]
fn print_the_version() {
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    println!("\n{}", name.strip_prefix("tool-").unwrap_or("no version"));
}

struct Machine {
    folder: TempDir,
}

impl Machine {
    /// A machine whose registry does what the lines of a shell say; with none, it has no client.
    fn new(client: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["runtimes/invented", "bin"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        fs::write(machine.path("runtimes/invented/runtime.toml"), DEFINITION).unwrap();
        fs::write(machine.path("init"), "").unwrap();
        if !client.is_empty() {
            write_program(&machine.path("bin/registry"), &format!("#!/bin/sh\nset -e\n{client}\n"));
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, is_offline: bool) -> Catalogue {
        let toolchains = Toolchains {
            folder: Some(self.path("toolchains")),
            path: vec![self.path("bin")],
            env: [
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("MIRROR".to_owned(), "http://m".to_owned()),
            ]
            .into(),
            is_offline,
        };
        Catalogue::open(Settings {
            runtimes_dir: Some(self.path("runtimes")),
            bundles_dir: self.path("bundles"),
            init: self.path("init"),
            places: SearchPlaces { path: vec![self.path("bin")], ..SearchPlaces::default() },
            toolchains,
            is_strict: false,
            has_images: false,
            today: jiff::civil::date(2026, 1, 1),
        })
        .unwrap()
    }
}

/// Written by a program of its own: what another test starts at that moment would have it open for writing, too, and no
/// kernel runs a file that somebody may still write to.
fn write_program(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test")]
    let status = Command::new("install").args(["-m", "755"]).args([&draft, path]).status().unwrap();
    assert!(status.success());
}

/// A client that copies this program, without its mode, as an archive would.
fn client() -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "[ \"$1\" = get ]\ncase \"$4\" in b-a*) ;; *) exit 9 ;; esac\n[ \"$MIRROR\" = http://m ]\n\
         [ \"$FOLDER\" = \"$2\" ]\nmkdir -p \"$2/bin\" \"$2/cache\"\ncp {} \"$2/bin/$3\"\nchmod 444 \"$2/bin/$3\"",
        program.display()
    )
}

fn told(catalogue: &Catalogue, name: &str) -> RuntimeInfo {
    catalogue.runtime(name).unwrap()
}

#[tokio::test]
async fn a_toolchain_is_fetched_once_and_removed() {
    let machine = Machine::new(&client());
    let catalogue = machine.open(false);
    assert_eq!(told(&catalogue, "inv1.2").state, State::Installable);
    assert!(matches!(catalogue.resolve(Language::Javascript, None), Err(Error::Unavailable { .. })));
    assert_eq!(catalogue.default_runtime(Language::Javascript), Some("inv1.2"));

    let installation = catalogue.begin_install("inv1.3").unwrap().unwrap();
    assert_eq!(told(&catalogue, "inv1.3").state, State::Installing);
    assert!(catalogue.begin_install("inv1.3").unwrap().is_none(), "it goes on");
    assert_eq!(told(&catalogue, "inv1.3").state, State::Installing, "whoever asks for it again");
    let refused = catalogue.remove("inv1.3").unwrap_err();
    assert!(matches!(refused, Error::Installing { .. }) && refused.to_string().contains("being installed"));
    installation.run().await;
    let info = told(&catalogue, "inv1.3");
    assert_eq!((info.state, info.toolchain.as_deref()), (State::Ready, Some("1.3.7")), "{:?}", info.detail);
    assert!(info.is_installed && catalogue.begin_install("inv1.3").unwrap().is_none());
    assert_eq!(
        catalogue.resolve(Language::Javascript, None).unwrap().runtime,
        "inv1.3",
        "a newer one serves"
    );
    assert!(!machine.path("toolchains/inv1.3/cache").exists());
    assert_eq!(fs::read_dir(machine.path("toolchains")).unwrap().count(), 1);

    let bundle = catalogue.bundle("inv1.3").await.unwrap();
    assert!(matches!(catalogue.remove("inv1.3"), Err(Error::InUse { .. })));
    drop(bundle);
    drop(catalogue);
    // The next life finds it, and need not fetch.
    let catalogue = machine.open(true);
    assert!(told(&catalogue, "inv1.3").is_installed);
    catalogue.remove("inv1.3").unwrap();
    catalogue.remove("inv1.3").unwrap();
    let info = told(&catalogue, "inv1.3");
    assert_eq!(info.state, State::Absent);
    assert!(info.detail.unwrap().contains("the service is offline"));
    assert_eq!(fs::read_dir(machine.path("toolchains")).unwrap().count(), 0);
    assert!(
        !fs::read_dir(machine.path("bundles"))
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("inv1.3-") })
    );
}

#[tokio::test]
async fn a_bundle_of_another_release_is_old_until_somebody_uses_it() {
    let machine = Machine::new(&client());
    let catalogue = machine.open(false);
    catalogue.begin_install("inv1.3").unwrap().unwrap().run().await;
    assert!(catalogue.old_bundles().unwrap().is_empty(), "it is this release's");
    let definition = machine.path("runtimes/invented/runtime.toml");
    fs::write(&definition, DEFINITION.replace("[\"/bin/tool\"]", "[\"/bin/another\"]")).unwrap();
    let next = machine.open(true);
    assert!(next.old_bundles().unwrap().is_empty(), "the older release uses it");
    drop(catalogue);
    let old = next.old_bundles().unwrap();
    let [(name, bytes)] = old.as_slice() else { panic!("{old:?}") };
    assert!(name.starts_with("inv1.3-") && *bytes > 0, "{old:?}");
    assert!(next.remove_bundle(name).unwrap() && !machine.path("bundles").join(name).exists());
    assert!(next.old_bundles().unwrap().is_empty());
    let bundle = next.bundle("inv1.3").await.unwrap();
    assert_eq!(bundle.toolchain, "1.3.7", "it is made anew");
}

#[tokio::test]
async fn what_can_not_be_fetched_says_why() {
    for (client, words) in [
        ("echo no such release >&2; exit 3", "no such release"),
        ("true", "there is no bin/tool-1.2.9 in what was fetched"),
        ("mkdir -p $2/bin; echo text > $2/bin/$3", "does not run here, or is of another version"),
    ] {
        let machine = Machine::new(client);
        let catalogue = machine.open(false);
        catalogue.begin_install("inv1.2").unwrap().unwrap().run().await;
        let info = told(&catalogue, "inv1.2");
        assert_eq!(info.state, State::Failed);
        let detail = info.detail.unwrap();
        assert!(detail.contains(words), "{detail}");
        assert_eq!(fs::read_dir(machine.path("toolchains")).unwrap().count(), 0, "{client}");
        assert!(catalogue.begin_install("inv1.2").unwrap().is_some(), "one may try again");
    }
    let catalogue = Machine::new("").open(false);
    let refused = |name: &str| catalogue.begin_install(name).unwrap_err().to_string();
    assert!(refused("inv1.2").contains("registry is not on the service's search path"));
    assert!(refused("inv1.1").contains("install invented 1.1 on this machine"));
    assert!(matches!(catalogue.begin_install("other"), Err(Error::NoSuch { .. })));
    assert_eq!(told(&catalogue, "inv1.1").state, State::Absent);
}

#[tokio::test]
async fn one_that_is_broken_off_leaves_nothing() {
    let machine = Machine::new("sleep 600");
    let catalogue = machine.open(false);
    let installation = catalogue.begin_install("inv1.2").unwrap().unwrap();
    tokio::select! {
        () = installation.run() => unreachable!("it waits"),
        () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
    }
    let info = told(&catalogue, "inv1.2");
    assert_eq!(info.state, State::Failed);
    assert!(info.detail.unwrap().contains("broken off"));
    assert_eq!(fs::read_dir(machine.path("toolchains")).unwrap().count(), 0);
}

#[test]
fn the_machines_own_is_not_removed() {
    let machine = Machine::new(&client());
    let own = machine.path("bin/tool-1.2.5");
    fs::copy(std::env::current_exe().unwrap(), own).unwrap();
    let catalogue = machine.open(false);
    assert!(matches!(catalogue.remove("inv1.2"), Err(Error::Own { .. })));
    assert!(catalogue.begin_install("inv1.2").unwrap().is_none(), "it is here");
    assert!(!told(&catalogue, "inv1.2").is_installed);
}
