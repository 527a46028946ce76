//! Starts inits from one thread that lives as long as the driver.
//!
//! An init asks to be killed when its parent ends, and to the kernel the parent is the thread that started it: one
//! of tokio's would take healthy sandboxes along when it is let go after some idle seconds.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use tokio::sync::oneshot;

use cloudbox_sandbox::Error;

/// The thread's inbox. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Spawner {
    inbox: mpsc::Sender<Request>,
    init: PathBuf,
}

struct Request {
    socket: OwnedFd,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn new(init: PathBuf) -> Result<Self, Error> {
        let (inbox, requests) = mpsc::channel::<Request>();
        let program = init.clone();
        let serve = move || {
            for Request { socket, reply } in requests {
                // Whoever asked and did not wait has left a socket without its other end: the init ends by itself.
                let _ = reply.send(spawn(&program, socket));
            }
        };
        std::thread::Builder::new()
            .name("sandbox-spawner".to_owned())
            .spawn(serve)
            .map_err(Error::io("starting a thread for", &init))?;
        Ok(Self { inbox, init })
    }

    /// Starts an init that finds `socket` as its stdin.
    pub(super) async fn spawn(&self, socket: OwnedFd) -> Result<Child, Error> {
        let (reply, child) = oneshot::channel();
        let gone = || Error::io("starting", &self.init)(std::io::ErrorKind::BrokenPipe.into());
        self.inbox.send(Request { socket, reply }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?.map_err(Error::io("starting", &self.init))
    }
}

fn spawn(init: &PathBuf, socket: OwnedFd) -> std::io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "this crate starts the sandboxes")]
    let mut command = Command::new(init);
    command.arg("native").env_clear().current_dir("/");
    command.stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
