//! What this machine has: the programs under test, the drivers that can run here, and what the environment asks for.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The Docker daemon's usual place.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What isolates functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Namespaces and cgroups of this machine.
    Native,
    /// Containers.
    Docker,
}

impl Driver {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Native, Self::Docker];

    /// As `--sandbox` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Docker => "docker",
        }
    }

    /// Whether tests of this driver run here. Where not, a line says why; on CI that is a failure.
    ///
    /// # Panics
    /// On CI, where the driver can't run.
    #[must_use]
    pub fn is_tested(self) -> bool {
        let wanted = variable("CLOUDBOX_TEST_DRIVERS").unwrap_or_else(|| "native,docker".to_owned());
        let obstacle = if !wanted.split(',').any(|name| name.trim() == self.as_str()) {
            format!("CLOUDBOX_TEST_DRIVERS is {wanted:?}")
        } else if self == Self::Docker && !docker_answers() {
            format!("no Docker daemon answers at {DOCKER_SOCKET}")
        } else {
            return true;
        };
        skip(&format!("the {} driver", self.as_str()), &obstacle);
        false
    }
}

/// For each name, an `async fn name(driver: Driver)` becomes two tests: `name::native` and `name::docker`.
#[macro_export]
macro_rules! both_drivers {
    ($($name:ident),+ $(,)?) => {$(
        $crate::both_drivers!(@each $name, |driver| if driver.is_tested() {
            super::$name(driver).await;
        });
    )+};
    (@each $name:ident, |$driver:ident| $run:expr) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn native() {
                run($crate::Driver::Native).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn docker() {
                run($crate::Driver::Docker).await;
            }

            async fn run($driver: $crate::Driver) {
                $run
            }
        }
    };
}

/// The drivers whose tests run here.
#[must_use]
pub fn drivers() -> Vec<Driver> {
    Driver::ALL.into_iter().filter(|driver| driver.is_tested()).collect()
}

/// Says that something is not tested, and why.
///
/// # Panics
/// On CI, where nothing may be skipped.
pub fn skip(what: &str, why: &str) {
    assert!(!is_ci(), "{what} can't be tested: {why}; on CI nothing may be skipped");
    eprintln!("skipped: {what}: {why}");
}

/// Whether this is CI.
#[must_use]
pub fn is_ci() -> bool {
    variable("CI").is_some()
}

/// A variable of the environment; an empty one counts as absent.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "what is to be tested is said in the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The program under test: `CLOUDBOX_BIN`, or the one that was built with these tests.
///
/// # Panics
/// It isn't there, or the init isn't beside it.
#[must_use]
pub fn program() -> PathBuf {
    let path = variable("CLOUDBOX_BIN").map_or_else(built_program, PathBuf::from);
    for file in [path.clone(), path.with_file_name("cloudbox-init")] {
        assert!(file.is_file(), "{} is missing; build it with scripts/build debug", file.display());
    }
    path
}

/// `target/debug/cloudbox` beside `target/debug/deps/integration-…`.
fn built_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("cloudbox")
}

/// Where bundles are kept between tests: making one takes seconds, and they are the same for all.
#[must_use]
pub fn bundles_dir() -> PathBuf {
    variable("CLOUDBOX_BUNDLES_DIR")
        .map_or_else(|| built_program().with_file_name("test-bundles"), PathBuf::from)
}

/// The repository's root.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn docker_answers() -> bool {
    docker("/_ping").is_ok_and(|answer| answer.contains("200 OK"))
}

/// The daemon's answer to a GET, with its head.
///
/// # Errors
/// No daemon answers.
pub fn docker(path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(DOCKER_SOCKET)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
