//! What a deployment says while it goes on, and how it is told to end.

use std::sync::Arc;

use cloudbox_mirrors::redact;
use cloudbox_types::Stage;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The longest line that is kept as one.
const MAX_LINE: usize = 16 << 10;

/// What was said and not noted yet: each line with its stage before it. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct BuildLog(Arc<Mutex<String>>);

impl BuildLog {
    /// Adds lines.
    pub fn say(&self, stage: Stage, text: &str) {
        let mut log = self.0.lock();
        for line in text.lines() {
            log.push_str(&format!("[{}] {line}\n", stage.as_str()));
        }
    }

    /// What was said since the last time.
    #[must_use]
    pub fn take(&self) -> String {
        std::mem::take(&mut self.0.lock())
    }

    /// Gives back what was taken, since nobody could be told.
    pub fn put_back(&self, text: &str) {
        self.0.lock().insert_str(0, text);
    }

    /// Whether there is nothing that nobody was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Tells a deployment to end, and why. Clones are the same order.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    token: CancellationToken,
    why: Arc<Mutex<Option<String>>>,
}

impl Halt {
    /// From now on the deployment ends, with the first reason that was given.
    pub fn order(&self, why: impl Into<String>) {
        self.why.lock().get_or_insert(why.into());
        self.token.cancel();
    }

    /// Why it is to end; none where it isn't.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.why.lock().clone()
    }

    /// Waits until it is to end.
    pub async fn ordered(&self) -> String {
        self.token.cancelled().await;
        self.reason().unwrap_or_default()
    }
}

/// Hears what the program of a build step prints, and says it line by line.
#[derive(Debug)]
pub struct Listener {
    log: BuildLog,
    stage: Stage,
    /// What a line must not show.
    secrets: Vec<String>,
    /// What came of a line.
    rest: Vec<u8>,
    /// Bytes that may still be said.
    room: usize,
    /// How the step is told to end.
    pub(crate) halt: Halt,
}

impl Listener {
    pub(crate) fn new(log: BuildLog, stage: Stage, halt: Halt, secrets: Vec<String>) -> Self {
        Self { log, stage, secrets, rest: Vec::new(), room: 0, halt }
    }

    /// At most `room` bytes are said.
    pub(crate) const fn with_room(mut self, room: usize) -> Self {
        self.room = room;
        self
    }

    /// Takes bytes in, wherever they are cut.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.room == 0 {
            return;
        }
        self.rest.extend_from_slice(&bytes[..bytes.len().min(self.room)]);
        self.room -= bytes.len().min(self.room);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.say(&line);
        }
        if self.rest.len() > MAX_LINE {
            self.end();
        }
        if self.room == 0 {
            self.end();
            self.log.say(self.stage, "… the rest of the output is left out: it is over the limit");
        }
    }

    /// Says what came of the last line.
    pub(crate) fn end(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.say(&rest);
    }

    fn say(&self, line: &[u8]) {
        self.log.say(self.stage, &redact(&String::from_utf8_lossy(line), &self.secrets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(room: usize, secrets: &[&str]) -> (Listener, BuildLog) {
        let log = BuildLog::default();
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        (Listener::new(log.clone(), Stage::Install, Halt::default(), secrets).with_room(room), log)
    }

    #[test]
    fn lines_are_said_when_they_are_whole() {
        let (mut listener, log) = listener(1000, &["hunter2"]);
        listener.hear(b"one\ntwo of hun");
        assert_eq!(log.take(), "[install] one\n");
        listener.hear(b"ter2\n\xff");
        assert_eq!(log.take(), "[install] two of ***\n", "a secret is seen wherever it was cut");
        listener.end();
        assert_eq!(log.take(), "[install] \u{fffd}\n");
        assert!(log.is_empty());
    }

    #[test]
    fn output_is_bounded() {
        let (mut listener, log) = listener(6, &[]);
        listener.hear(b"abc\ndefghi\n");
        listener.hear(b"more\n");
        assert_eq!(
            log.take(),
            "[install] abc\n[install] de\n[install] … the rest of the output is left out: it is over the limit\n"
        );
    }

    #[tokio::test]
    async fn the_first_order_counts() {
        let halt = Halt::default();
        assert_eq!(halt.reason(), None);
        halt.clone().order("first");
        halt.order("second");
        assert_eq!(halt.ordered().await, "first");
    }
}
