//! A driver whose programs are a few lines of Rust: what they do is what the source says, in one word.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_protocol::{Answer, Failure, FailureKind, Load, Loaded, Logs, Reply, Request};
use cloudbox_sandbox::{
    CodeDir, Error, Exit, Gate, Layer, Network, Program, RootFs, Sandbox, SandboxDriver, SandboxFault,
    SandboxFaultKind, SandboxId, SandboxSpec, Stats, SweepReport, Workspace,
};
use cloudbox_types::Limits;
use parking_lot::Mutex;
use tokio::time::Instant;

type Hook = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Default)]
pub struct FakeDriver {
    alive: Arc<AtomicUsize>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl FakeDriver {
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// What is to happen while a source of `deleted-in-check` is checked.
    pub fn in_check(
        &self,
        hook: impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) {
        *self.hook.lock() = Some(Box::new(hook));
    }
}

#[async_trait]
impl SandboxDriver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn layers(&self) -> Vec<Layer> {
        Vec::new()
    }

    async fn prepare(&self, rootfs: &RootFs) -> Result<(), Error> {
        assert!(
            rootfs.path.join("cloudbox/runtime.toml").exists() || rootfs.path.join("cloudbox/init").exists()
        );
        Ok(())
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Box<dyn Sandbox>, Error> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Fake {
            id: SandboxId::generate(),
            workspace: spec.workspace.clone(),
            network: spec.network,
            has_gate: false,
            mounts: spec.mounts.clone(),
            code: None,
            alive: Some(Arc::clone(&self.alive)),
            hook: Arc::clone(&self.hook),
        }))
    }

    async fn sweep(&self) -> Result<SweepReport, Error> {
        Ok(SweepReport::default())
    }
}

struct Fake {
    id: SandboxId,
    workspace: Workspace,
    network: Network,
    has_gate: bool,
    mounts: Vec<(PathBuf, PathBuf)>,
    code: Option<PathBuf>,
    alive: Option<Arc<AtomicUsize>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Fake {
    /// A package manager: each line of what is wanted becomes a file.
    fn install(&self, folder: &Path, wanted: &str, program: &Program) -> Exit {
        assert!(self.network == Network::None && self.has_gate);
        let (here, _) = self.mounts.iter().find(|(_, inside)| inside == Path::new("/etc/login")).unwrap();
        let login = fs::read_to_string(here).unwrap();
        if wanted.starts_with("missing") {
            return exit(1, &format!("{login}\nERROR: no missing at {}\n", program.env["MIRROR"]));
        }
        fs::create_dir(folder.join("packages")).unwrap();
        for line in wanted.lines().chain(["unwanted"]) {
            fs::write(folder.join("packages").join(line), line).unwrap();
        }
        if wanted.starts_with("link") {
            std::os::unix::fs::symlink("/etc/passwd", folder.join("packages/passwd")).unwrap();
        }
        exit(0, "")
    }
}

fn logs(text: &str) -> Logs {
    let mut logs = Logs::new(1000);
    logs.push(text.as_bytes());
    logs
}

fn exit(code: i32, text: &str) -> Exit {
    Exit { code: Some(code), signal: None, is_out_of_memory: false, logs: logs(text) }
}

fn fault<T>(kind: SandboxFaultKind) -> Result<T, SandboxFault> {
    Err(SandboxFault { kind, logs: logs("") })
}

#[async_trait]
impl Sandbox for Fake {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    async fn bind(&mut self, _limits: &Limits, code: &CodeDir) -> Result<(), Error> {
        self.code = Some(code.path.clone());
        Ok(())
    }

    async fn open_egress(&mut self, _: &Arc<Gate>, _: Instant) -> Result<(), Error> {
        self.has_gate = true;
        Ok(())
    }

    async fn start(&mut self, program: &Program, _deadline: Instant) -> Result<(), SandboxFault> {
        // An interpreter starts without code, a compiled function with it.
        assert_eq!(program.argv[0] == "/workspace/function", self.code.is_some());
        Ok(())
    }

    async fn load(
        &mut self,
        load: Load,
        _deadline: Instant,
    ) -> Result<Reply<Result<Loaded, Failure>>, SandboxFault> {
        let code = fs::read_to_string(self.code.as_ref().unwrap().join(&load.main)).unwrap();
        let nonce = String::new();
        match code.as_str() {
            "throws" => {
                let message = "Error: thrown".to_owned();
                let stack = "Error: thrown\n    at index.js:1".to_owned();
                let failure =
                    Failure { nonce, kind: FailureKind::Error, message, stack, survivors: Vec::new() };
                Ok(Reply { answer: Err(failure), logs: logs("printed at the top\n") })
            }
            "eats-in-load" => fault(SandboxFaultKind::OutOfMemory),
            "hangs-in-load" => fault(SandboxFaultKind::Deadline),
            "exits-in-load" => fault(SandboxFaultKind::Exited { code: Some(3), signal: None }),
            _ => {
                let told = load.env.iter().map(|(name, value)| format!("loaded with {name}={value}\n"));
                let handler_style = "data".to_owned();
                Ok(Reply {
                    answer: Ok(Loaded { nonce, handler_style, is_forked: false, concurrency: 1 }),
                    logs: logs(&told.collect::<String>()),
                })
            }
        }
    }

    async fn exchange(&mut self, _: Request, _: Instant) -> Result<Reply<Answer>, SandboxFault> {
        unreachable!("a deployment calls no handler")
    }

    async fn settle(&mut self, _: Duration) -> bool {
        unreachable!("a deployment calls no handler")
    }

    async fn restart(&mut self, _: Instant) -> Result<(), SandboxFault> {
        unreachable!("a deployment calls no handler")
    }

    async fn run(&mut self, program: &Program, _deadline: Instant) -> Result<Exit, SandboxFault> {
        let Workspace::Writable(folder) = self.workspace.clone() else { panic!("not a build") };
        let main = program.argv[1].as_str();
        let code = fs::read_to_string(folder.join(main)).unwrap();
        if program.argv[0] == "/install" {
            return Ok(self.install(&folder, &code, program));
        }
        let note = folder.join(".cloudbox-main");
        if program.argv[0] == "/compile" {
            fs::write(folder.join("function"), format!("compiled {code}")).unwrap();
            fs::write(note, "function").unwrap();
            return Ok(exit(0, ""));
        }
        match code.as_str() {
            "bad-syntax" => return Ok(exit(1, "\nindex.js:3:5: SyntaxError: unexpected\n  more\n")),
            "hangs-in-check" => return fault(SandboxFaultKind::Deadline),
            "eats-in-check" => return Ok(Exit { is_out_of_memory: true, ..exit(1, "") }),
            "dies-in-check" => return Ok(Exit { code: None, signal: Some(9), ..exit(0, "some words") }),
            "leaves-link" => std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap(),
            "becomes-module" => {
                fs::rename(folder.join(main), folder.join("app.mjs")).unwrap();
                fs::write(&note, "app.mjs").unwrap();
            }
            "bad-note" => fs::write(&note, "../../secret").unwrap(),
            "deleted-in-check" => {
                let happens = self.hook.lock().as_ref().map(|hook| hook());
                happens.unwrap().await;
            }
            _ => {}
        }
        Ok(exit(0, &format!("checked {main}\n")))
    }

    fn is_clean(&self) -> bool {
        true
    }

    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn freeze(&mut self, _is_frozen: bool) -> Result<(), Error> {
        Ok(())
    }

    async fn kill(&mut self) {
        if let Some(alive) = self.alive.take() {
            alive.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
