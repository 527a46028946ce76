//! The control socket: length-prefixed JSON, and descriptors beside it.

use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use cloudbox_protocol::control::{FromInit, MAX_MESSAGE};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::de::DeserializeOwned;

/// The connection to the service. Where it ends, so does the sandbox.
pub struct Control(UnixStream);

impl Control {
    /// Connects to the service's socket.
    ///
    /// # Errors
    /// There is none, or the service does not listen.
    pub fn connect(path: &str) -> io::Result<Self> {
        UnixStream::connect(path).map(Self)
    }

    /// Over a connection that is there already.
    pub fn inherited(socket: OwnedFd) -> Self {
        Self(socket.into())
    }

    /// Sends one message, with descriptors.
    ///
    /// # Errors
    /// The service is gone.
    pub fn send(&mut self, message: &FromInit, descriptors: &[RawFd]) -> io::Result<()> {
        let json = serde_json::to_vec(message)?;
        let len = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut bytes = len.to_be_bytes().to_vec();
        bytes.extend_from_slice(&json);
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() { &[] } else { &rights[..] };
        let parts = [IoSlice::new(&bytes)];
        let sent = sendmsg::<()>(self.0.as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None)?;
        io::Write::write_all(&mut self.0, &bytes[sent..])
    }

    /// The next message; none at the end of the connection.
    ///
    /// # Errors
    /// It is over-long or no message.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut prefix = [0; 4];
        match self.0.read_exact(&mut prefix) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let len = u32::from_be_bytes(prefix) as usize;
        if len > MAX_MESSAGE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut json = vec![0; len];
        self.0.read_exact(&mut json)?;
        Ok(Some(serde_json::from_slice(&json)?))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
