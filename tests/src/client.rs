//! The program's own client, as a process beside the service.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::{Service, machine};

impl Service {
    /// Runs `cloudbox WORDS` against this service, as its administrator, in the repository's folder.
    ///
    /// # Panics
    /// It can't be started.
    pub async fn client(&self, words: &[&str]) -> Output {
        self.client_with(words, "").await
    }

    /// The same with a text on its stdin.
    ///
    /// # Panics
    /// It can't be started.
    #[expect(clippy::disallowed_methods, reason = "the client under test is a process")]
    pub async fn client_with(&self, words: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(machine::program());
        command
            .args(words)
            .env("CLOUDBOX_URL", &self.base)
            .env("CLOUDBOX_DATA_DIR", self.home().data())
            .env_remove("CLOUDBOX_TOKEN")
            .current_dir(machine::root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let stdin = stdin.to_owned();
        let ended = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // Who doesn't read it may have ended already.
            drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
            child.wait_with_output().unwrap()
        });
        ended.await.unwrap()
    }
}
