//! Tries what code in a sandbox may not do, and prints a line for each attempt: its name, and the error's number, `signal`
//! and a number, or 0 where it was done. For the tests of the drivers, which run it in sandboxes.
//!
//! Each attempt is made in a process of its own; what succeeds does no harm.

#![expect(clippy::print_stdout, reason = "a program of its own, inside a sandbox")]

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};

use libc::c_long;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// The name of an attempt, the call's number and its arguments.
type Call = (&'static str, c_long, [c_long; 6]);

fn main() {
    let zero = [0; 6];
    for (name, number, args) in SOCKETS.into_iter().map(socket).chain(WITH_ARGUMENTS) {
        tell(name, || system_call(number, args));
    }
    for (name, number) in WITHOUT_ARGUMENTS {
        tell(name, || system_call(number, zero));
    }
    for (name, number) in NEWER {
        tell(name, || system_call(number, zero));
    }
    tell("tcp_bind", || TcpListener::bind("127.0.0.1:0").map(drop));
    tell("tcp_connect", || TcpStream::connect("127.0.0.1:9").map(drop));
    tell("udp_bind", || UdpSocket::bind("127.0.0.1:0").map(drop));
    tell("signal_init", || system_call(libc::SYS_kill, [1, 0, 0, 0, 0, 0]));
    tell("thread", || std::thread::Builder::new().spawn(|| ()).map(drop));
    tell("unknown", || system_call(1000, zero));
    #[cfg(target_arch = "x86_64")]
    {
        tell("x32", || system_call(0x4000_0000 + libc::SYS_getpid, zero));
        tell("i386", i386_getpid);
    }
}

/// Makes an attempt and tells how it ended.
fn tell(name: &str, attempt: impl FnOnce() -> io::Result<()>) {
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let errno = attempt().err().map_or(0, |error| error.raw_os_error().unwrap_or(255));
            std::process::exit(errno)
        }
        Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
            Ok(WaitStatus::Signaled(_, signal, _)) => println!("{name} signal {}", signal as i32),
            Ok(WaitStatus::Exited(_, errno)) => println!("{name} {errno}"),
            other => println!("{name} {other:?}"),
        },
        Err(errno) => println!("{name} can't be tried: {errno}"),
    }
}

fn system_call(number: c_long, args: [c_long; 6]) -> io::Result<()> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the arguments of the attempts are numbers, or null where a pointer is meant.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// As a program of 32 bits asks for its process id.
#[cfg(target_arch = "x86_64")]
fn i386_getpid() -> io::Result<()> {
    const GETPID: i64 = 20;
    let id: i64;
    // SAFETY: the call takes no arguments and writes nothing but the register.
    unsafe { std::arch::asm!("int 0x80", inlateout("rax") GETPID => id) };
    if id > 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOSYS)) }
}

/// Domain, type and protocol.
const SOCKETS: [(&str, [i32; 3]); 14] = [
    ("af_unix", [libc::AF_UNIX, libc::SOCK_STREAM, 0]),
    ("af_inet", [libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::IPPROTO_TCP]),
    ("af_inet6", [libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0]),
    ("af_alg", [libc::AF_ALG, libc::SOCK_SEQPACKET, 0]),
    ("af_vsock", [libc::AF_VSOCK, libc::SOCK_STREAM, 0]),
    ("af_rxrpc", [libc::AF_RXRPC, libc::SOCK_DGRAM, libc::AF_INET]),
    ("netlink_route", [libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE]),
    ("netlink_xfrm", [libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_XFRM]),
    ("af_key", [libc::AF_KEY, libc::SOCK_RAW, 2]),
    ("af_packet", [libc::AF_PACKET, libc::SOCK_DGRAM, 0]),
    ("inet_raw", [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP]),
    ("inet_ping", [libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP]),
    ("inet_sctp", [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP]),
    ("af_bluetooth", [libc::AF_BLUETOOTH, libc::SOCK_RAW, 0]),
];

fn socket((name, [domain, kind, protocol]): (&'static str, [i32; 3])) -> Call {
    let [domain, kind, protocol] = [domain, kind, protocol].map(c_long::from);
    (name, libc::SYS_socket, [domain, kind, protocol, 0, 0, 0])
}

const NO_FD: c_long = -1;
const HERE: c_long = -100;
/// `SIGCHLD`, as the child of a fork ends.
const CHILD: c_long = 17;

const WITH_ARGUMENTS: [Call; 18] = [
    ("clone", libc::SYS_clone, [CHILD, 0, 0, 0, 0, 0]),
    ("clone_newuser", libc::SYS_clone, [0x1000_0000 | CHILD, 0, 0, 0, 0, 0]),
    ("clone_newns", libc::SYS_clone, [0x0002_0000 | CHILD, 0, 0, 0, 0, 0]),
    ("clone_newuser_high", libc::SYS_clone, [1 << 40 | 0x1000_0000 | CHILD, 0, 0, 0, 0, 0]),
    ("unshare_user", libc::SYS_unshare, [0x1000_0000, 0, 0, 0, 0, 0]),
    ("ptrace_me", libc::SYS_ptrace, [0; 6]),
    ("splice", libc::SYS_splice, [NO_FD, 0, NO_FD, 0, 1, 0]),
    ("tee", libc::SYS_tee, [NO_FD, NO_FD, 1, 0, 0, 0]),
    ("vmsplice", libc::SYS_vmsplice, [NO_FD, 0, 0, 0, 0, 0]),
    ("tiocsti", libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]),
    ("tiocsti_high", libc::SYS_ioctl, [0, 1 << 32 | 0x5412, 0, 0, 0, 0]),
    ("tioclinux", libc::SYS_ioctl, [0, 0x541C, 0, 0, 0, 0]),
    ("personality_now", libc::SYS_personality, [0xFFFF_FFFF, 0, 0, 0, 0, 0]),
    ("personality_exec", libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0]),
    ("prctl_mm", libc::SYS_prctl, [35, 0, 0, 0, 0, 0]),
    ("prctl_ptracer", libc::SYS_prctl, [0x5961_6D61, 1, 0, 0, 0, 0]),
    ("mknod_device", libc::SYS_mknodat, [HERE, 0, 0o20_644, 0x103, 0, 0]),
    ("socketpair_inet", libc::SYS_socketpair, [2, 1, 0, 0, 0, 0]),
];

const WITHOUT_ARGUMENTS: [(&str, c_long); 66] = [
    ("acct", libc::SYS_acct),
    ("add_key", libc::SYS_add_key),
    ("adjtimex", libc::SYS_adjtimex),
    ("bpf", libc::SYS_bpf),
    ("chroot", libc::SYS_chroot),
    ("clock_adjtime", libc::SYS_clock_adjtime),
    ("clock_settime", libc::SYS_clock_settime),
    ("clone3", libc::SYS_clone3),
    ("delete_module", libc::SYS_delete_module),
    ("execveat", libc::SYS_execveat),
    ("fanotify_init", libc::SYS_fanotify_init),
    ("fanotify_mark", libc::SYS_fanotify_mark),
    ("finit_module", libc::SYS_finit_module),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsetxattr", libc::SYS_fsetxattr),
    ("fsmount", libc::SYS_fsmount),
    ("fsopen", libc::SYS_fsopen),
    ("fspick", libc::SYS_fspick),
    ("get_robust_list", libc::SYS_get_robust_list),
    ("init_module", libc::SYS_init_module),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("kcmp", libc::SYS_kcmp),
    ("kexec_load", libc::SYS_kexec_load),
    ("keyctl", libc::SYS_keyctl),
    ("lookup_dcookie", libc::SYS_lookup_dcookie),
    ("mbind", libc::SYS_mbind),
    ("migrate_pages", libc::SYS_migrate_pages),
    ("mount", libc::SYS_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("move_pages", libc::SYS_move_pages),
    ("name_to_handle_at", libc::SYS_name_to_handle_at),
    ("nfsservctl", libc::SYS_nfsservctl),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("open_tree", libc::SYS_open_tree),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("pivot_root", libc::SYS_pivot_root),
    ("process_madvise", libc::SYS_process_madvise),
    ("process_mrelease", libc::SYS_process_mrelease),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("quotactl", libc::SYS_quotactl),
    ("reboot", libc::SYS_reboot),
    ("remap_file_pages", libc::SYS_remap_file_pages),
    ("request_key", libc::SYS_request_key),
    ("set_mempolicy", libc::SYS_set_mempolicy),
    ("setdomainname", libc::SYS_setdomainname),
    ("setgid", libc::SYS_setgid),
    ("setgroups", libc::SYS_setgroups),
    ("sethostname", libc::SYS_sethostname),
    ("setns", libc::SYS_setns),
    ("settimeofday", libc::SYS_settimeofday),
    ("setuid", libc::SYS_setuid),
    ("setxattr", libc::SYS_setxattr),
    ("swapoff", libc::SYS_swapoff),
    ("swapon", libc::SYS_swapon),
    ("syslog", libc::SYS_syslog),
    ("umount2", libc::SYS_umount2),
    ("unshare", libc::SYS_unshare),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("vhangup", libc::SYS_vhangup),
];

/// Those that the C library has no names for yet; the numbers are the same everywhere.
const NEWER: [(&str, c_long); 4] =
    [("memfd_secret", 447), ("statmount", 457), ("listmount", 458), ("open_tree_attr", 467)];
