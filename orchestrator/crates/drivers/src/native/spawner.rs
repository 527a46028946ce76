//! Starts inits from one thread that lives as long as the driver.
//!
//! An init asks to be killed when its parent ends, and to the kernel the parent is the thread that started it: one
//! of tokio's would take healthy sandboxes along when it is let go after some idle seconds.
//!
//! It also puts them into their cgroups: the kernel may wait for 5 to 20 ms then, until no CPU is in the middle of a fork,
//! and meanwhile no thread of tokio's should stand still with the calls that are its turn.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use cloudbox_cgroup::Cgroup;
use cloudbox_sandbox::Error;

/// The thread's inbox. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Spawner {
    inbox: mpsc::Sender<Request>,
    init: PathBuf,
}

struct Request {
    socket: OwnedFd,
    cgroup: Arc<dyn Cgroup>,
    reply: oneshot::Sender<std::io::Result<Spawned>>,
}

/// An init that was started.
pub(super) struct Spawned {
    pub(super) child: Child,
    /// Whether it is in its cgroup: it is to be released either way.
    pub(super) added: Result<(), cloudbox_cgroup::Error>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn new(init: PathBuf) -> Result<Self, Error> {
        let (inbox, requests) = mpsc::channel::<Request>();
        let program = init.clone();
        let serve = move || {
            for Request { socket, cgroup, reply } in requests {
                let spawned = spawn(&program, socket).map(|child| {
                    // It reads its setup before anything else, so nothing of it happens outside the cgroup.
                    let added = cgroup.add(i32::try_from(child.id()).unwrap_or_default());
                    Spawned { child, added }
                });
                // Whoever asked and did not wait has left a socket without its other end: the init ends by itself.
                let _ = reply.send(spawned);
            }
        };
        std::thread::Builder::new()
            .name("sandbox-spawner".to_owned())
            .spawn(serve)
            .map_err(Error::io("starting a thread for", &init))?;
        Ok(Self { inbox, init })
    }

    /// Starts an init in `cgroup` that finds `socket` as its stdin.
    pub(super) async fn spawn(&self, socket: OwnedFd, cgroup: Arc<dyn Cgroup>) -> Result<Spawned, Error> {
        let (reply, child) = oneshot::channel();
        let gone = || Error::io("starting", &self.init)(std::io::ErrorKind::BrokenPipe.into());
        self.inbox.send(Request { socket, cgroup, reply }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?.map_err(Error::io("starting", &self.init))
    }
}

fn spawn(init: &PathBuf, socket: OwnedFd) -> std::io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "this crate starts the sandboxes")]
    let mut command = Command::new(init);
    command.arg("native").env_clear().current_dir("/");
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
