//! What the tests of a machine's faults stand on: a service with two functions, and a disk of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudbox_tests::{Answer, Api, Driver, Plan, Service};
use serde_json::{Value, json};

/// Tries of [`eventually`], and the pause between two. Together: never a measure, but the end of a test.
const TRIES: (u32, Duration) = (1200, Duration::from_millis(250));
/// For one request that may not hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// The service under a fault, and how many calls it was sent.
pub struct Site {
    pub service: Service,
    pub api: Api,
    calls: u32,
}

impl Site {
    /// With the functions `one` and `other`, which are warm.
    pub async fn start(plan: Plan) -> Self {
        let service = plan.start().await;
        let api = service.api();
        let echo = "exports.handler = async (data) => { if (data.wait) await new Promise((done) => \
                    setTimeout(done, data.wait)); if (data.log) console.log('x'.repeat(data.log)); return data; };";
        for name in ["one", "other"] {
            api.launch(name, "javascript", echo).await;
        }
        let mut site = Self { service, api, calls: 0 };
        site.both_answer().await;
        site
    }

    /// A call of `one`, with its answer checked.
    pub async fn call(&mut self, data: Value) {
        self.calls += 1;
        let answer = in_time(self.api.execute("one", &json!({ "data": data }))).await.with(200);
        assert_eq!(answer.json::<Value>()["response"], data);
    }

    /// Both functions give right answers.
    pub async fn both_answer(&mut self) {
        self.call(json!({ "number": self.calls })).await;
        let data = json!({ "other": self.calls });
        let answer = in_time(self.api.execute("other", &json!({ "data": data }))).await.with(200);
        assert_eq!(answer.json::<Value>()["response"], data);
    }

    /// A change over the API is refused as one that can be made again, and says nothing of the database's inside.
    pub async fn change_is_refused(&self) {
        let answer = in_time(self.create("refused")).await.with(503);
        assert_eq!(answer.header("retry-after"), "2");
        let body: Value = answer.json();
        assert_eq!(body["code"], "OVERLOADED", "{body}");
        let sentence = body["error"].as_str().unwrap().to_lowercase();
        for word in ["sql", "insert", "postgres", "/tmp", "relation"] {
            assert!(!sentence.contains(word), "{sentence}");
        }
    }

    /// The service says that it isn't ready, with a word of the reason.
    pub async fn is_not_ready(&self, reason: &str) {
        let answer = in_time(self.api.anonymous().get("/health/ready")).await.with(503);
        assert!(answer.text().contains(reason), "{}", answer.text());
    }

    /// It recovers by itself: ready, changes are taken, both functions answer, and every call so far has its record.
    pub async fn recovers(&mut self) {
        eventually("the service is ready", async || {
            self.api.anonymous().get("/health/ready").await.status == 200
        })
        .await;
        // What was refused may have happened, as every change whose answer was lost.
        eventually("changes are taken", async || [201, 409].contains(&self.create("after").await.status))
            .await;
        self.both_answer().await;
        self.has_all_records().await;
    }

    /// No record of a call is lost, and none is there twice.
    pub async fn has_all_records(&self) {
        let wanted = usize::try_from(self.calls).unwrap();
        eventually("every call has its record", async || {
            self.api.logs("one", "limit=1000").await.items.len() == wanted
        })
        .await;
    }

    /// Forgets the calls so far: for faults that may lose their records.
    pub async fn recount(&mut self) {
        let kept = self.api.logs("one", "limit=1000").await.items.len();
        self.calls = u32::try_from(kept).unwrap();
    }

    pub async fn create(&self, name: &str) -> Answer {
        self.api.create(&json!({ "name": name, "language": "javascript", "code": "x" })).await
    }

    pub fn database(&self) -> PathBuf {
        self.service.home().data().join("cloudbox.db")
    }
}

/// Whether these tests run here, and on which driver: what a machine's disk and database do is the same for both.
pub fn driver() -> Option<Driver> {
    Some(Driver::Native).filter(|driver| driver.is_tested())
}

/// An answer that comes at all.
pub async fn in_time<T>(asking: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer")
}

/// Asks until it is so.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..TRIES.0 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(TRIES.1).await;
    }
    panic!("never: {what}");
}

/// A small file system in memory.
pub struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// With options of tmpfs, such as `size=30m`. None where this user can't mount one.
    pub fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("disk-").tempdir().unwrap();
        let flags = nix::mount::MsFlags::empty();
        match nix::mount::mount(Some("none"), folder.path(), Some("tmpfs"), flags, Some(options)) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                cloudbox_tests::machine::skip("a disk of its own", &error.to_string());
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it to the last byte; the file to be removed again.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.folder.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

/// Another program that has the SQLite database open, until it is dropped.
pub struct Stranger {
    child: Child,
}

impl Stranger {
    /// It runs statements, and keeps what they took.
    #[expect(clippy::disallowed_methods, reason = "another program is what the test is about")]
    pub fn open(database: &Path, statements: &str) -> Self {
        let script = "import sqlite3, sys\n\
                      db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n\
                      for statement in sys.argv[2].split(';'): print(db.execute(statement).fetchall())\n\
                      print('done', flush=True)\n\
                      sys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(database)
            .arg(statements)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.into_iter().any(|line| line == "done"), "{statements}");
        Self { child }
    }

    /// What statements answer.
    #[expect(clippy::disallowed_methods, reason = "another program is what the test is about")]
    pub fn ask(database: &Path, statement: &str) -> String {
        let script = "import sqlite3, sys\n\
                      print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())\n";
        let asked = Command::new("python3").args(["-c", script]).arg(database).arg(statement).output();
        String::from_utf8_lossy(&asked.unwrap().stdout).trim().to_owned()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
