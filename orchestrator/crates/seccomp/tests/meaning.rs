//! What the table says of the calls that matter, number by number as the kernel would ask.

use cloudbox_seccomp::{Action, Arch, Errno, Profile};

const ALLOW: Action = Action::Allow;
const EPERM: Action = Action::Refuse(Errno::Eperm);
const EINVAL: Action = Action::Refuse(Errno::Einval);
const ENOSYS: Action = Action::Refuse(Errno::Enosys);
const EAFNOSUPPORT: Action = Action::Refuse(Errno::Eafnosupport);

fn number(arch: Arch, name: &str) -> Option<u32> {
    arch.calls().find(|(_, known)| *known == name).map(|(number, _)| number)
}

/// On every architecture that has the call; one of them does.
fn is(name: &str, args: &[u64], expected: Action) {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let mut found = 0;
    for arch in Arch::ALL {
        if let Some(number) = number(arch, name) {
            let action = Profile::get().verdict(arch, arch.audit_number(), number, &all);
            assert_eq!(action, expected, "{name} {args:x?} on {arch:?}");
            found += 1;
        }
    }
    assert!(found > 0, "{name}");
}

#[test]
fn numbers_are_the_kernels() {
    for (name, x86_64, aarch64) in [
        ("read", Some(0), Some(63)),
        ("open", Some(2), None),
        ("mmap", Some(9), Some(222)),
        ("newfstatat", Some(262), Some(79)),
        ("clone", Some(56), Some(220)),
        ("execve", Some(59), Some(221)),
        ("ptrace", Some(101), Some(117)),
        ("seccomp", Some(317), Some(277)),
        ("rseq", Some(334), Some(293)),
        ("clone3", Some(435), Some(435)),
        ("file_setattr", Some(469), Some(469)),
    ] {
        assert_eq!(number(Arch::X86_64, name), x86_64, "{name}");
        assert_eq!(number(Arch::Aarch64, name), aarch64, "{name}");
    }
    for arch in Arch::ALL {
        let mut numbers: Vec<_> = arch.calls().map(|(number, _)| number).collect();
        let count = numbers.len();
        assert!(count > 320, "{count} calls on {arch:?}");
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a number twice on {arch:?}");
    }
}

#[test]
fn namespaces_and_mounts_are_refused() {
    for name in
        "unshare setns mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree move_mount \
                 mount_setattr listmount statmount"
            .split_whitespace()
    {
        is(name, &[], EPERM);
    }
    is("clone3", &[], ENOSYS);
    // A thread, a fork, a vfork; CLONE_PIDFD is no namespace.
    for flags in [0x003D_0F00, 0x0120_0011, 0x4111, 0x1000 | 17] {
        is("clone", &[flags], ALLOW);
    }
    for namespace in
        [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
    {
        is("clone", &[namespace | 17], EPERM);
        is("clone", &[1 << 32 | namespace | 17], EPERM);
    }
}

#[test]
fn other_processes_and_the_kernels_surface_are_refused() {
    for name in "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open pidfd_getfd \
                 pidfd_send_signal kcmp get_robust_list io_uring_setup io_uring_enter io_uring_register bpf \
                 perf_event_open userfaultfd keyctl add_key request_key init_module finit_module delete_module kexec_load \
                 kexec_file_load reboot acct swapon swapoff quotactl quotactl_fd syslog iopl ioperm modify_ldt \
                 fanotify_init fanotify_mark lookup_dcookie open_by_handle_at name_to_handle_at nfsservctl vhangup \
                 sethostname setdomainname clock_settime settimeofday adjtimex clock_adjtime memfd_secret \
                 remap_file_pages migrate_pages move_pages mbind set_mempolicy execveat setuid setgid setresuid \
                 setresgid setgroups setxattr lsetxattr fsetxattr"
        .split_whitespace()
    {
        is(name, &[], EPERM);
    }
}

#[test]
fn sockets_are_of_three_families() {
    for domain in 0..50 {
        let expected = if [1, 2, 10].contains(&domain) { ALLOW } else { EAFNOSUPPORT };
        is("socket", &[domain, 1], expected);
        is("socket", &[domain, 2 | 0o2_004_000, 0], expected);
        is("socketpair", &[domain, 1], if domain == 1 { ALLOW } else { EAFNOSUPPORT });
    }
    for (kind, protocol, expected) in [
        (1, 6, ALLOW),
        (2, 17, ALLOW),
        (3, 0, EAFNOSUPPORT),
        (5, 0, EAFNOSUPPORT),
        (2, 1, EAFNOSUPPORT),
        (1, 132, EAFNOSUPPORT),
        (1, 262, EAFNOSUPPORT),
        (10, 0x300, EAFNOSUPPORT),
    ] {
        is("socket", &[2, kind, protocol], expected);
    }
    // The kernel reads an int: the upper half must neither help nor harm.
    is("socket", &[7 << 32 | 38, 5], EAFNOSUPPORT);
    is("socket", &[7 << 32 | 2, 7 << 32 | 1, 7 << 32], ALLOW);
}

#[test]
fn arguments_decide_of_the_rest() {
    for name in ["splice", "vmsplice", "tee"] {
        is(name, &[], EINVAL);
    }
    for (process, expected) in [(0, ALLOW), (1 << 32, ALLOW), (1, EPERM), (7, EPERM)] {
        is("prlimit64", &[process], expected);
    }
    // Not to be executed, sealed so: MFD_NOEXEC_SEAL (8) without MFD_EXEC (16), besides others.
    for (flags, expected) in [
        (8, ALLOW),
        (9, ALLOW),
        (11, ALLOW),
        (0, ENOSYS),
        (1, ENOSYS),
        (16, ENOSYS),
        (24, ENOSYS),
        (8 << 32, ENOSYS),
    ] {
        is("memfd_create", &[0, flags], expected);
    }
    for request in [0x5412, 0x541C, 1 << 32 | 0x5412, u64::MAX << 32 | 0x541C] {
        is("ioctl", &[0, request], EPERM);
    }
    for request in [0x5401, 0x5413, 0x5421, 0x5451, 0x1_5412] {
        is("ioctl", &[0, request], ALLOW);
    }
    for (persona, expected) in [
        (0, ALLOW),
        (0xFFFF_FFFF, ALLOW),
        (u64::MAX, ALLOW),
        (0x20008, ALLOW),
        (0x0040_0000, EPERM),
        (4, EPERM),
    ] {
        is("personality", &[persona], expected);
    }
    for (option, expected) in [
        (15, ALLOW),
        (38, ALLOW),
        (22, ALLOW),
        (0x5356_4D41, ALLOW),
        (35, EPERM),
        (0x5961_6D61, EPERM),
        (67, EPERM),
    ] {
        is("prctl", &[option], expected);
    }
    for (mode, expected) in
        [(0o644, ALLOW), (0o10_644, ALLOW), (0o140_644, ALLOW), (0o20_644, EPERM), (0o60_644, EPERM)]
    {
        is("mknod", &[0, mode], expected);
        is("mknodat", &[0, 0, mode], expected);
    }
}

#[test]
fn what_runtimes_need_is_allowed() {
    for name in "read write openat mmap mprotect futex epoll_create1 epoll_ctl epoll_pwait eventfd2 timerfd_create membarrier \
                 rseq set_robust_list sched_getaffinity sched_setaffinity sched_yield rt_sigaction sigaltstack tgkill \
                 wait4 waitid execve fork vfork pipe2 dup3 statx getrandom getdents64 sendfile copy_file_range \
                 inotify_init1 mremap madvise prlimit64 clock_nanosleep fchmodat2 close_range"
        .split_whitespace()
    {
        is(name, &[], ALLOW);
    }
}

#[test]
fn the_unknown_is_not_there_and_the_foreign_is_killed() {
    let (profile, none) = (Profile::get(), [0; 6]);
    for name in ["uselib", "create_module", "_sysctl", "lsm_set_self_attr", "file_setattr", "vserver"] {
        is(name, &[], ENOSYS);
    }
    for arch in Arch::ALL {
        for number in [470, 1000, 0x3FFF_FFFF] {
            assert_eq!(profile.verdict(arch, arch.audit_number(), number, &none), ENOSYS);
        }
    }
    let x86 = Arch::X86_64;
    for number in [0x4000_0000, 0x4000_0000 + 39, 0x4000_0000 + 520, u32::MAX] {
        assert_eq!(profile.verdict(x86, x86.audit_number(), number, &none), Action::Kill, "x32 {number:#x}");
    }
    // i386, arm, and each other's.
    for foreign in [0x4000_0003, 0x4000_0028, Arch::Aarch64.audit_number(), 0] {
        assert_eq!(profile.verdict(x86, foreign, 0, &none), Action::Kill);
    }
}

#[test]
fn a_table_that_makes_no_sense_is_refused() {
    let family = |rest: &str| format!("[[family]]\nname = \"f\"\nwhy = \"because\"\n{rest}");
    for (rest, reason) in [
        ("action = \"allow\"\ncalls = \"raed\"", "there is no call raed"),
        ("action = \"allow\"\ncalls = \"read read\"", "read is in another family"),
        ("action = \"EWOULD\"\ncalls = \"read\"", "EWOULD"),
        ("action = \"allow\"\ncalls = \"read\"\notherwise = \"EPERM\"", "go together"),
        ("action = \"allow\"\ncalls = \"read\"\nwhen = [{arg = 0, is = [1]}]", "go together"),
        (
            "action = \"EPERM\"\ncalls = \"read\"\notherwise = \"EPERM\"\nwhen = [{arg = 0, is = [1]}]",
            "is refused",
        ),
        ("action = \"allow\"\ncalls = \"read\"\notherwise = \"EPERM\"\nwhen = [{arg = 6, is = [1]}]", "six"),
        ("action = \"allow\"\ncalls = \"read\"\notherwise = \"EPERM\"\nwhen = [{arg = 0}]", "either"),
        (
            "action = \"allow\"\ncalls = \"read\"\notherwise = \"EPERM\"\nwhen = [{arg = 0, mask = 1, is = [2]}]",
            "mask",
        ),
    ] {
        let error = Profile::parse(&family(rest)).unwrap_err();
        assert!(error.contains(reason), "{rest}: {error}");
    }
    let error = Profile::parse("[[family]]\nname = \"f\"\nwhy = \" \"\naction = \"allow\"\ncalls = \"read\"")
        .unwrap_err();
    assert!(error.contains("no reason"), "{error}");
}
