//! The sockets that an init has made for the way out of its sandbox, looked at before they are used.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use cloudbox_egress::Sockets;
use rustix::net::{AddressFamily, SocketType, sockopt};

/// The sockets as they were asked for.
///
/// # Errors
/// There are others, fewer or more.
pub(crate) fn checked(sent: Vec<OwnedFd>, datagrams: u16, streams: &[u16]) -> io::Result<Sockets> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not the sockets that were asked for");
    if sent.len() != 1 + streams.len() {
        return Err(wrong());
    }
    let mut sent = sent.into_iter();
    let names = sent.next().filter(|socket| is(socket, SocketType::DGRAM)).ok_or_else(wrong)?;
    let names = UdpSocket::from(names);
    if names.local_addr()? != SocketAddr::from((Ipv4Addr::LOCALHOST, datagrams)) {
        return Err(wrong());
    }
    let mut listeners = Vec::new();
    for (socket, port) in sent.zip(streams) {
        if !is(&socket, SocketType::STREAM) || !sockopt::socket_acceptconn(&socket)? {
            return Err(wrong());
        }
        let listener = TcpListener::from(socket);
        if listener.local_addr()? != SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)) {
            return Err(wrong());
        }
        listeners.push(listener);
    }
    Ok(Sockets { names, listeners })
}

/// Whether it is an IPv4 socket of this type.
fn is(socket: &OwnedFd, kind: SocketType) -> bool {
    sockopt::socket_type(socket).is_ok_and(|found| found == kind)
        && sockopt::socket_domain(socket).is_ok_and(|found| found == AddressFamily::INET)
}
