//! The host's side of a sandbox's control socket: one connection, one set of pipes, a few messages.

use std::collections::BTreeSet;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use cloudbox_egress::Sockets;
use cloudbox_protocol::Channel;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::control::{FromInit, MAX_LISTENERS, MAX_MESSAGE, Setup, ToInit};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::Error;

/// What a pipe should hold: the largest that an unprivileged process may ask for.
const PIPE_BYTES: usize = 1 << 20;
/// The descriptors that come with `Ready`.
const PIPES: usize = 3;
/// The descriptors that come with `Listening`, at most.
const SOCKETS: usize = 1 + MAX_LISTENERS;

/// A control socket that waits for its init.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    peer_uid: u32,
}

impl Listener {
    /// Listens at `control.sock` in the sandbox's folder; only root and `peer_uid` may connect.
    ///
    /// # Errors
    /// The socket can't be made.
    pub fn bind(dir: &Path, peer_uid: u32) -> Result<Self, Error> {
        let path = dir.join("control.sock");
        let socket = UnixListener::bind(&path).map_err(Error::io("listening at", &path))?;
        let listener = Self { socket, path, peer_uid };
        let path = &listener.path;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))
            .map_err(Error::io("restricting", path))?;
        if !rustix::process::geteuid().as_raw().eq(&peer_uid) {
            chown(path, Some(peer_uid), Some(peer_uid)).map_err(Error::io("giving away", path))?;
        }
        Ok(listener)
    }

    /// Where it listens, on the host.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first connection of the right user; later ones are refused, since nothing listens any more.
    ///
    /// # Errors
    /// None came before `deadline`.
    pub async fn accept(self, deadline: Instant) -> Result<Control, Error> {
        let late = start_timeout(deadline);
        loop {
            let accepted = timeout_at(deadline, self.socket.accept()).await.map_err(|_| late())?;
            let (stream, _) = accepted.map_err(Error::io("accepting at", &self.path))?;
            let peer = stream.peer_cred().map_err(Error::io("asking who connected to", &self.path))?;
            if peer.uid() == self.peer_uid {
                return Ok(Control::new(stream, peer.pid()));
            }
            tracing::warn!(user.id = peer.uid(), "a stranger connected to a sandbox's control socket");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The service's ends of a sandbox's three pipes.
#[derive(Debug)]
pub struct Pipes {
    /// To write requests to.
    pub requests: pipe::Sender,
    /// To read answers from.
    pub answers: pipe::Receiver,
    /// To read logs from.
    pub logs: pipe::Receiver,
}

impl Pipes {
    /// As a channel of frames.
    #[must_use]
    pub fn into_channel(self, limits: ChannelLimits) -> Channel {
        Channel::new(self.requests, self.answers, self.logs, limits)
    }

    /// The flag is set on our ends alone: a pipe's two ends are two open files.
    fn from_descriptors(descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not the three pipes that were announced");
        let [requests, answers, logs]: [OwnedFd; PIPES] = descriptors.try_into().map_err(|_| wrong())?;
        for end in [&requests, &answers, &logs] {
            if !rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(end)?.st_mode).is_fifo() {
                return Err(wrong());
            }
            rustix::io::ioctl_fionbio(end, true)?;
            // Beyond the user's share of pipe memory the kernel refuses; a small pipe works, too.
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
        }
        Ok(Self {
            requests: pipe::Sender::from_owned_fd(requests)?,
            answers: pipe::Receiver::from_owned_fd(answers)?,
            logs: pipe::Receiver::from_owned_fd(logs)?,
        })
    }
}

/// What a sandbox's kernel gave it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The layers of the isolation that could not be had.
    pub missing: Vec<String>,
    /// The version of Landlock; 0 where there is none.
    pub landlock_abi: u32,
}

/// The connection to a sandbox's init. Dropped, it ends the sandbox.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    init_pid: Option<i32>,
    kernel: Kernel,
    /// What arrived of the next message; kept here, so that a wait may be broken off.
    received: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    /// How many descriptors may come.
    due: usize,
}

impl Control {
    /// Over a connection whose other end is, or will be, an init's.
    #[must_use]
    pub const fn new(stream: UnixStream, init_pid: Option<i32>) -> Self {
        Self {
            stream,
            init_pid,
            kernel: Kernel { missing: Vec::new(), landlock_abi: 0 },
            received: Vec::new(),
            descriptors: Vec::new(),
            due: PIPES,
        }
    }

    /// The init's process id as the host sees it, where it connected by itself.
    #[must_use]
    pub const fn init_pid(&self) -> Option<i32> {
        self.init_pid
    }

    /// What the init found its kernel to have; nothing before `ready`.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Waits for `Ready` and takes the pipes.
    ///
    /// # Errors
    /// A step of the set-up failed, the init ended, or `deadline` passed.
    pub async fn ready(&mut self, deadline: Instant) -> Result<Pipes, Error> {
        let late = start_timeout(deadline);
        loop {
            match timeout_at(deadline, self.receive()).await.map_err(|_| late())?? {
                FromInit::Ready { missing, landlock_abi } => {
                    self.kernel = Kernel { missing, landlock_abi };
                    return Pipes::from_descriptors(std::mem::take(&mut self.descriptors)).map_err(broken);
                }
                // Of the runtime before a restart.
                FromInit::Exited { .. } => {}
                FromInit::Failed { step, error } => return Err(Error::Setup { step, message: error }),
                other => return Err(broken(format!("{other:?} before Ready"))),
            }
        }
    }

    /// Has the init make sockets in the sandbox's network.
    ///
    /// # Errors
    /// It can't, is gone, or sent others.
    pub async fn listen(&mut self, datagrams: u16, streams: &BTreeSet<u16>) -> Result<Sockets, Error> {
        let streams: Vec<u16> = streams.iter().copied().collect();
        self.due = 1 + streams.len();
        self.send(&ToInit::Listen { datagrams, streams: streams.clone() }).await?;
        let answer = self.receive().await;
        self.due = PIPES;
        match answer? {
            FromInit::Listening => {
                let sent = std::mem::take(&mut self.descriptors);
                crate::sockets::checked(sent, datagrams, &streams).map_err(broken)
            }
            FromInit::Failed { step, error } => Err(Error::Setup { step, message: error }),
            other => Err(broken(format!("{other:?} before Listening"))),
        }
    }

    /// Tells the init something.
    ///
    /// # Errors
    /// It is gone.
    pub async fn send(&mut self, message: &ToInit) -> Result<(), Error> {
        self.send_json(message).await
    }

    /// Tells a native sandbox's init what to set up: its first message.
    ///
    /// # Errors
    /// It is gone.
    pub async fn send_setup(&mut self, setup: &Setup) -> Result<(), Error> {
        self.send_json(setup).await
    }

    async fn send_json(&mut self, message: &impl serde::Serialize) -> Result<(), Error> {
        let json = serde_json::to_vec(message).map_err(broken)?;
        if json.len() > MAX_MESSAGE {
            return Err(broken(format!("{} bytes for the init; the limit is {MAX_MESSAGE}", json.len())));
        }
        let len = u32::try_from(json.len()).map_err(broken)?;
        let bytes = [&len.to_be_bytes()[..], &json].concat();
        self.stream.write_all(&bytes).await.map_err(|_| Error::Gone)
    }

    /// The init's next message. May be broken off and begun again.
    ///
    /// # Errors
    /// It is gone, or said something that is no message.
    pub async fn receive(&mut self) -> Result<FromInit, Error> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            self.stream.readable().await.map_err(broken)?;
            let Self { stream, received, descriptors, due, .. } = self;
            let read = || read_some(stream.as_fd(), received, descriptors, *due);
            match stream.try_io(Interest::READABLE, read) {
                Ok(0) => return Err(Error::Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Error::Gone),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// A whole message, where one has arrived.
    fn take_message(&mut self) -> Result<Option<FromInit>, Error> {
        let Some((prefix, rest)) = self.received.split_first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix) as usize;
        if len > MAX_MESSAGE {
            return Err(broken(format!("a message of {len} bytes; the limit is {MAX_MESSAGE}")));
        }
        let Some(json) = rest.get(..len) else { return Ok(None) };
        let message = serde_json::from_slice(json).map_err(broken)?;
        self.received.drain(..4 + len);
        Ok(Some(message))
    }
}

/// Takes bytes, and descriptors where some come with them: never more than are due.
fn read_some(
    stream: impl AsFd,
    received: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
    due: usize,
) -> io::Result<usize> {
    let mut step = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut step)], &mut rights, flags)?;
    received.extend_from_slice(&step[..got.bytes]);
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            descriptors.extend(sent);
        }
    }
    // What finds no room is closed by the kernel, which says so; the same where this process may have no more.
    if descriptors.len() > due || got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more descriptors than can be taken"));
    }
    Ok(got.bytes)
}

/// The error of a wait that begins now.
fn start_timeout(deadline: Instant) -> impl Fn() -> Error {
    let seconds = deadline.saturating_duration_since(Instant::now()).as_secs();
    move || Error::StartTimeout { seconds }
}

/// The init said, or was to be told, what can't be.
fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Setup { step: "control".to_owned(), message: why.into().to_string() }
}
