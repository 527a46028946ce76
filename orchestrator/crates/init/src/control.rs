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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use cloudbox_protocol::control::ToInit;

    use super::*;

    fn pair() -> (Control, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Control(ours), theirs)
    }

    /// What a peer that writes this and ends is taken for.
    fn received(bytes: &[u8]) -> io::Result<Option<ToInit>> {
        let (mut control, mut peer) = pair();
        peer.write_all(bytes).unwrap();
        drop(peer);
        control.receive()
    }

    fn framed(json: &[u8]) -> Vec<u8> {
        [&u32::try_from(json.len()).unwrap().to_be_bytes()[..], json].concat()
    }

    #[test]
    fn the_end_between_messages_is_no_error() {
        assert!(received(b"").unwrap().is_none());
        let (mut control, mut peer) = pair();
        peer.write_all(&framed(br#"{"type":"processes"}"#)).unwrap();
        drop(peer);
        assert_eq!(control.receive().unwrap(), Some(ToInit::Processes));
        assert_eq!(control.receive::<ToInit>().unwrap(), None);
    }

    #[test]
    fn the_end_inside_a_message_is_an_error() {
        let whole = framed(br#"{"type":"processes"}"#);
        for cut in 4..whole.len() {
            assert!(received(&whole[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_read() {
        for len in [u32::try_from(MAX_MESSAGE).unwrap() + 1, i32::MAX as u32, u32::MAX] {
            // The peer stays: who waited for the message would wait for ever.
            let (mut control, mut peer) = pair();
            peer.write_all(&len.to_be_bytes()).unwrap();
            assert_eq!(control.receive::<ToInit>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let deep = "[".repeat(50_000);
        for junk in [
            &b""[..],
            b"{}",
            b"null",
            b"\xff",
            br#"{"type":"ready"}"#,
            br#"{"type":"start"}"#,
            deep.as_bytes(),
        ] {
            assert!(
                received(&framed(junk)).is_err(),
                "{}",
                String::from_utf8_lossy(&junk[..junk.len().min(40)])
            );
        }
    }

    #[test]
    fn a_message_that_comes_byte_by_byte_is_whole_at_its_end() {
        let (mut control, mut peer) = pair();
        let writer = std::thread::spawn(move || {
            for byte in framed(br#"{"type":"processes"}"#).chunks(1) {
                peer.write_all(byte).unwrap();
                std::thread::yield_now();
            }
        });
        assert_eq!(control.receive().unwrap(), Some(ToInit::Processes));
        writer.join().unwrap();
    }

    #[test]
    fn telling_a_peer_that_is_gone_is_an_error() {
        let (mut control, peer) = pair();
        drop(peer);
        assert!(control.send(&FromInit::Processes { count: 1 }, &[]).is_err());
    }
}
