//! Runs programs of the machine's own toolchains, while a bundle is made. Nothing of a user is ever run here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a program to its end with nothing but the given environment.
///
/// # Errors
/// It can't be started.
pub fn run<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &BTreeMap<String, String>,
    folder: &Path,
) -> std::io::Result<Output> {
    #[expect(clippy::disallowed_methods, reason = "bundles are made with the machine's toolchains")]
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", folder).env("LC_ALL", "C");
    command.envs(env).output()
}

/// How a program ended, and the last lines of what it printed, for an error's sentence.
#[must_use]
pub fn ending(output: &Output) -> String {
    let text =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("{}: {}", output.status, lines.join("\n"))
}
