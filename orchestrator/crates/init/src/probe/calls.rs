//! System calls that no function needs.

use std::io;

use cloudbox_protocol::probe::Question;
use libc::c_long;

use super::{Seen, all_refused};

/// A call that would be done, or fail in another way, without the filter: the name, the number, the first arguments.
type Call = (&'static str, c_long, [c_long; 4]);

const NEW_USER: c_long = 0x1000_0000;
const CALLS: [Call; 16] = [
    ("bpf", libc::SYS_bpf, [-1, 0, 0, 0]),
    ("clone3", libc::SYS_clone3, [0, 0, 0, 0]),
    ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0, 0]),
    ("keyctl", libc::SYS_keyctl, [0, -3, 0, 0]),
    ("add_key", libc::SYS_add_key, [0, 0, 0, 0]),
    ("mount", libc::SYS_mount, [0, 0, 0, 0]),
    ("name_to_handle_at", libc::SYS_name_to_handle_at, [-1, 0, 0, 0]),
    ("open_tree", libc::SYS_open_tree, [-1, 0, 0, 0]),
    ("perf_event_open", libc::SYS_perf_event_open, [0, 0, 0, 0]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, [-1, 0, 0, 0]),
    ("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0, 0]),
    ("ptrace", libc::SYS_ptrace, [0, 0, 0, 0]),
    ("setns", libc::SYS_setns, [-1, 0, 0, 0]),
    ("splice", libc::SYS_splice, [-1, 0, -1, 0]),
    ("unshare", libc::SYS_unshare, [NEW_USER, 0, 0, 0]),
    ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0]),
];

/// Domain, type and protocol.
const FAMILIES: [(&str, [i32; 3]); 8] = [
    ("AF_ALG", [libc::AF_ALG, libc::SOCK_SEQPACKET, 0]),
    ("AF_KEY", [libc::AF_KEY, libc::SOCK_RAW, 2]),
    ("AF_NETLINK", [libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE]),
    ("AF_PACKET", [libc::AF_PACKET, libc::SOCK_DGRAM, 0]),
    ("AF_RXRPC", [libc::AF_RXRPC, libc::SOCK_DGRAM, libc::AF_INET]),
    ("AF_VSOCK", [libc::AF_VSOCK, libc::SOCK_STREAM, 0]),
    ("ICMP", [libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP]),
    ("raw IP", [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP]),
];

/// The kernel says that there is a filter, and each of these calls is refused by one.
pub fn filter_is_on(_: &Question) -> Seen {
    const FILTERED: c_long = 2;
    // SAFETY: this option takes no argument.
    if c_long::from(unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) }) != FILTERED {
        return Err("there is no filter of system calls".to_owned());
    }
    let done: Vec<String> =
        CALLS.iter().filter(|call| !is_refused(call)).map(|(name, ..)| (*name).to_owned()).collect();
    all_refused("calls were", CALLS.len(), &done)
}

/// As the filter refuses: by its own right, or as if the kernel had no such call.
fn is_refused((name, number, [a, b, c, d]): &Call) -> bool {
    let zero: c_long = 0;
    // SAFETY: the arguments are numbers, or null where a pointer is meant.
    let done = unsafe { libc::syscall(*number, *a, *b, *c, *d, zero, zero) };
    let errno = io::Error::last_os_error().raw_os_error();
    // The page cache's writers are refused so that programs fall back.
    let also = if *name == "splice" { libc::EINVAL } else { libc::EPERM };
    done == -1 && [libc::EPERM, libc::ENOSYS, libc::EACCES, also].map(Some).contains(&errno)
}

/// None but local sockets and those of the internet.
pub fn socket_families(_: &Question) -> Seen {
    let is_made = |[domain, kind, protocol]: [i32; 3]| {
        // SAFETY: takes numbers only; the descriptor is closed with this process.
        let made = unsafe { libc::socket(domain, kind, protocol) };
        made >= 0
    };
    let done: Vec<String> =
        FAMILIES.iter().filter(|(_, of)| is_made(*of)).map(|(name, _)| (*name).to_owned()).collect();
    all_refused("kinds of sockets were", FAMILIES.len(), &done)
}
