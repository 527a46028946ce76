//! Sockets in the sandbox's network, for the service: a socket stays in the network in which it was made.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use cloudbox_protocol::control::{FromInit, MAX_LISTENERS};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket};

use crate::control::Control;
use crate::error::{Failed, Step};

/// From which port on everybody may listen. A container engine sets the same.
const LOW_PORTS: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// Connections that wait for the service.
const BACKLOG: i32 = 128;

/// Lets the init listen at low ports in its own network when it has no more rights. Where that can't be had, a function
/// without a way out does without.
pub fn open_low_ports() {
    let _ = std::fs::write(LOW_PORTS, b"0");
}

/// Makes the sockets, sends them, and forgets them: what runs in here never has one.
///
/// # Errors
/// A port is taken or can't be had.
pub fn hand_over(control: &mut Control, datagrams: u16, streams: &[u16]) -> Result<(), Failed> {
    if streams.len() > MAX_LISTENERS {
        return Err(std::io::ErrorKind::InvalidInput).step("listen");
    }
    let mut sockets = vec![bound(SockType::Datagram, Ipv4Addr::LOCALHOST, datagrams)?];
    for port in streams {
        let listener = bound(SockType::Stream, Ipv4Addr::UNSPECIFIED, *port)?;
        listen(&listener, Backlog::new(BACKLOG).step("listen")?).step("listen")?;
        sockets.push(listener);
    }
    let descriptors: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    control.send(&FromInit::Listening, &descriptors).step("control")
}

fn bound(kind: SockType, address: Ipv4Addr, port: u16) -> Result<OwnedFd, Failed> {
    let made = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).step("listen")?;
    let [a, b, c, d] = address.octets();
    bind(made.as_raw_fd(), &SockaddrIn::new(a, b, c, d, port)).step("listen")?;
    Ok(made)
}
