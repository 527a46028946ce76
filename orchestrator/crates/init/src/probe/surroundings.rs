//! What the sandbox shares with the machine: no namespace, no process, no network.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use cloudbox_protocol::probe::Question;
use nix::unistd::{Pid, getppid};

use super::Seen;

/// Processes that a fresh sandbox may show: its init, this one, and room for an engine's own.
const MAX_PROCESSES: usize = 8;
/// Interfaces have numbers from 1 on; a new namespace has the lowest.
const INTERFACES: i32 = 32;

/// It is another namespace than the service's.
pub fn namespace(kind: &str, question: &Question) -> Seen {
    let Some(theirs) = question.namespaces.get(kind) else {
        return Err("the service's own is not known".into());
    };
    match fs::read_link(format!("/proc/self/ns/{kind}")) {
        Ok(own) if own.as_os_str() == theirs.as_str() => {
            Err("the sandbox is in the service's own".to_owned())
        }
        Ok(_) => Ok("its own".to_owned()),
        // The set-up fails where one can't be made.
        Err(_) => Ok("made at the set-up; there is no /proc to see it in".to_owned()),
    }
}

/// The init is PID 1, and nothing of the host is listed.
pub fn processes(question: &Question) -> Seen {
    let _ = namespace("pid", question)?;
    if getppid() != Pid::from_raw(1) {
        return Err("the init is not PID 1".to_owned());
    }
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let count = fs::read_dir("/proc").map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_process)).count()
    });
    if count > MAX_PROCESSES {
        Err(format!("{count} processes are visible"))
    } else {
        Ok(format!("{count} processes are visible"))
    }
}

/// No device but loopback, and no way to send anything out.
pub fn network(question: &Question) -> Seen {
    let _ = namespace("net", question)?;
    let socket = UdpSocket::bind("127.0.0.1:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"));
    let Ok(socket) = socket else { return Ok("no socket can be bound".to_owned()) };
    let mut names: Vec<String> = (1..=INTERFACES).filter_map(|index| interface(&socket, index)).collect();
    // Made in every namespace by the modules of tunnels, down, and of no use without rights over it.
    names.retain(|name| name == "lo" || is_up(&socket, name));
    if names.iter().any(|name| name != "lo") {
        return Err(format!("its devices are {}", names.join(", ")));
    }
    // Addresses of documentation: nobody has them, but a way out leads to them. A datagram's connect sends nothing.
    for (own, address) in [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")] {
        if UdpSocket::bind(own).and_then(|socket| socket.connect(address)).is_ok() {
            return Err(format!("there is a route to {address}"));
        }
    }
    Ok("loopback alone, and no route out".to_owned())
}

/// The name of the interface of this number.
fn interface(socket: &UdpSocket, index: i32) -> Option<String> {
    let mut request = blank();
    request.ifr_ifru.ifru_ifindex = index;
    ask(socket, libc::SIOCGIFNAME, &mut request)?;
    let bytes: Vec<u8> =
        request.ifr_name.iter().map(|c| c.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect();
    String::from_utf8(bytes).ok()
}

/// Whether the interface of this name carries anything.
fn is_up(socket: &UdpSocket, name: &str) -> bool {
    let mut request = blank();
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    // SAFETY: after the call the union holds the flags; without it, the zeroes that it was made of.
    ask(socket, libc::SIOCGIFFLAGS, &mut request).is_some()
        && unsafe { request.ifr_ifru.ifru_flags } & i16::try_from(libc::IFF_UP).unwrap_or_default() != 0
}

fn blank() -> libc::ifreq {
    // SAFETY: all bytes zero is a valid `ifreq`.
    unsafe { std::mem::zeroed() }
}

fn ask(socket: &UdpSocket, what: libc::c_ulong, request: &mut libc::ifreq) -> Option<()> {
    // SAFETY: both questions read and write an `ifreq`, which outlives the call.
    (unsafe { libc::ioctl(socket.as_raw_fd(), what as _, request) } == 0).then_some(())
}
