import ctypes
import errno
import json
import mmap
import os
import platform
import re
import resource
import signal
import socket
import stat
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def told(call):
    """What a call brought: the error's name, or what it returned."""
    try:
        return f"done: {call()!r}"[:200]
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except subprocess.SubprocessError as error:
        return str(error)


def syscall(number, *args):
    ctypes.set_errno(0)
    found = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(arg) for arg in args])
    if found == -1:
        raise OSError(ctypes.get_errno(), "")
    return found


def write(path):
    with open(path, "w") as file:
        file.write("x")


def writes(data):
    """Everywhere but in /tmp."""
    done = []
    for folder, folders, names in os.walk("/"):
        if folder in ("/proc", "/tmp", "/sys"):
            folders.clear()
            continue
        for path in [os.path.join(folder, "new")] + [os.path.join(folder, name) for name in names[:3]]:
            if folder.startswith("/dev") and not path.endswith("new"):
                continue
            found = told(lambda: os.close(os.open(path, os.O_WRONLY | (os.O_CREAT if path.endswith("new") else 0))))
            if found.startswith("done"):
                done.append(path)
    for path in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj",
                 "/proc/sys/vm/memfd_noexec", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/new",
                 "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/pids.max"]:
        if told(lambda: write(path)).startswith("done"):
            done.append(path)
    return done


def execs(data):
    """Programs from where they may not be."""
    found = {}
    with open("/tmp/script", "w") as file:
        file.write("#!/usr/local/bin/python3\nprint('ran')\n")
    os.chmod("/tmp/script", 0o755)
    found["script"] = told(lambda: subprocess.run(["/tmp/script"], capture_output=True, check=True).stdout)
    with open("/tmp/library", "wb") as file:
        file.write(b"\x7fELF" + b"\0" * 4096)

    def map_code():
        with open("/tmp/library", "rb") as file:
            return mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)

    found["mapped"] = told(map_code)

    def memfd(flags):
        fd = os.memfd_create("code", flags)
        os.write(fd, b"#!/usr/local/bin/python3\nprint('ran')\n")
        return fd

    found["memfd"] = told(lambda: memfd(0))
    found["memfd_exec"] = told(lambda: memfd(0x10))

    def run_sealed():
        fd = memfd(0x8)
        os.set_inheritable(fd, True)
        return subprocess.run([f"/proc/self/fd/{fd}"], pass_fds=[fd], capture_output=True, check=True).stdout

    found["sealed"] = told(run_sealed)
    found["sealed_chmod"] = told(lambda: os.fchmod(memfd(0x8), 0o755))
    return found


def secrets(data):
    """Whatever can be read, searched for what belongs to others."""
    seen, visible = [], 0
    wanted = re.compile("|".join([*data["canaries"], r"\$[156y]\$[A-Za-z0-9./]{8}"]).encode())
    places = [*data["paths"], "/etc/shadow", "/proc/cmdline", "/proc/keys", "/proc/kcore", "/proc/kmsg", "/proc/sched_debug"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        visible += 1
        places += [f"/proc/{pid}/{name}" for name in ("environ", "cmdline", "maps", "mountinfo", "root/etc/shadow")]
    for folder, folders, names in os.walk("/"):
        if folder in ("/proc", "/sys", "/usr", "/dev"):
            folders.clear()
            continue
        places += [os.path.join(folder, name) for name in names]
    for path in places:
        try:
            if not path.startswith("/proc") and os.path.getsize(path) > 1 << 20:
                continue
            with open(path, "rb") as file:
                if wanted.search(file.read(1 << 20)):
                    seen.append(path)
        except OSError:
            pass
    return {"seen": seen, "pids": visible, "environment": sorted(os.environ)}


def others(data):
    """The init, and nobody else, is there to be attacked."""
    found = {}
    for pid in {1, os.getppid()} - {0}:
        found[f"attach {pid}"] = told(lambda: syscall(101, 16, pid, 0, 0))
        found[f"seize {pid}"] = told(lambda: syscall(101, 0x4206, pid, 0, 0))
        found[f"mem {pid}"] = told(lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
        found[f"fd {pid}"] = told(lambda: os.listdir(f"/proc/{pid}/fd"))
        found[f"environ {pid}"] = told(lambda: open(f"/proc/{pid}/environ").read())
        found[f"readv {pid}"] = told(lambda: syscall(310, pid, 0, 0, 0, 0, 0))
        found[f"pidfd {pid}"] = told(lambda: syscall(434, pid, 0))
        found[f"getfd {pid}"] = told(lambda: syscall(438, 3, 0, 0))
        found[f"kcmp {pid}"] = told(lambda: syscall(312, pid, os.getpid(), 0, 0, 0))
        found[f"limits {pid}"] = told(lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64)))
    return found


def network(data):
    found = {}

    def reach(kind, address, family=socket.AF_INET):
        with socket.socket(family, kind) as ours:
            ours.settimeout(2)
            ours.connect(address)
            return ours.send(b"x")

    for host, port in [*data["addresses"], ("169.254.169.254", 80), ("192.0.2.1", 443), ("10.0.0.1", 22)]:
        found[f"{host}:{port}"] = told(lambda: reach(socket.SOCK_STREAM, (host, port)))
        if not host.startswith("127."):
            found[f"udp {host}:{port}"] = told(lambda: reach(socket.SOCK_DGRAM, (host, port)))
    found["abstract"] = told(lambda: reach(socket.SOCK_STREAM, "\0" + data["abstract"], socket.AF_UNIX))
    try:
        found["names"] = f"done: {socket.getaddrinfo('example.com', 80)}"
    except socket.gaierror as error:
        found["names"] = str(error)
    found["sockets"] = []
    for folder, folders, names in os.walk("/"):
        if folder in ("/proc", "/sys"):
            folders.clear()
            continue
        paths = [os.path.join(folder, name) for name in names]
        found["sockets"] += [path for path in paths if stat.S_ISSOCK(os.lstat(path).st_mode)]
    return found


def families(data):
    kinds = {
        "AX25": (3, 2, 0), "X25": (9, 5, 0), "KEY": (15, 3, 2), "NETLINK_ROUTE": (16, 3, 0), "NETLINK_XFRM": (16, 3, 6),
        "NETLINK_AUDIT": (16, 3, 9), "PACKET": (17, 3, 0x300), "PACKET_DGRAM": (17, 2, 0x300), "RDS": (21, 5, 0),
        "PPPOX": (24, 1, 0), "CAN": (29, 3, 1), "TIPC": (30, 4, 0), "BLUETOOTH": (31, 3, 1), "RXRPC": (33, 2, 2),
        "PHONET": (35, 2, 0), "ALG": (38, 5, 0), "NFC": (39, 3, 1), "VSOCK": (40, 1, 0), "KCM": (41, 2, 0),
        "QIPCRTR": (42, 2, 0), "SMC": (43, 1, 0), "XDP": (44, 3, 0), "RAW": (2, 3, 1), "RAW6": (10, 3, 58),
        "PING": (2, 2, 1), "SCTP": (2, 5, 132), "MPTCP": (2, 1, 262), "UDPLITE": (2, 2, 136), "SEQPACKET": (1, 5, 0),
        "ALG_high": (38 | 1 << 32, 5, 0),
    }
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    return {name: told(lambda: syscall(number, *kind)) for name, kind in kinds.items()}


def privileged(data):
    """Numbers of x86-64; elsewhere there is another table, which the filter's own tests go through."""
    if platform.machine() != "x86_64":
        return {}
    numbers = {
        "ptrace": 101, "syslog": 103, "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163,
        "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170,
        "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179,
        "clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "mbind": 237,
        "set_mempolicy": 238, "migrate_pages": 256, "unshare": 272, "vmsplice": 278, "move_pages": 279,
        "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304,
        "clock_adjtime": 305, "setns": 308, "process_vm_writev": 311, "finit_module": 313, "kexec_file_load": 320,
        "bpf": 321, "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425, "open_tree": 428, "fsopen": 430,
        "clone3": 435, "mount_setattr": 442, "memfd_secret": 447,
    }
    found = {name: told(lambda: syscall(number, 0, 0, 0, 0, 0, 0)) for name, number in numbers.items()}
    found["newuser"] = told(lambda: syscall(56, 0x10000000 | 17, 0, 0, 0, 0))
    child = os.fork()
    if child == 0:
        # getpid by the other table of this machine.
        syscall(0x40000000 | 39)
        os._exit(0)
    found["x32"] = signal.Signals(os.waitpid(child, 0)[1] & 0x7F).name
    return found


def audit(data):
    links = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            links[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    return {
        "status": open("/proc/self/status").read(),
        "limits": open("/proc/self/limits").read(),
        "mounts": open("/proc/self/mountinfo").read(),
        "fds": links,
        "oom_score": open("/proc/self/oom_score_adj").read().strip(),
    }


def odd_files(data):
    os.chdir("/tmp")
    os.symlink(data["outside"], "link")
    os.symlink("/etc/passwd", "passwd")
    os.mkfifo("fifo")
    told(lambda: os.link("/workspace/main.py", "hard"))
    for name in ["-rf", "a\nb", "\x1b[2J", "..\u202e", " ", "x" * 255, b"\xff\xfe"]:
        told(lambda: os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o6777)))
    os.mkdir("closed", 0)
    socket.socket(socket.AF_UNIX).bind("/tmp/socket")
    os.mkdir("deep")
    os.chdir("deep")
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    os.chdir("/tmp")
    return "made"


def kill_all(data):
    for number in (signal.SIGTERM, signal.SIGKILL):
        told(lambda: os.kill(1, number))
        told(lambda: os.kill(-1, number))
    return "alive"


def handler(data, context):
    probes = (writes, execs, secrets, others, network, families, privileged, audit, odd_files, kill_all)
    for probe in probes:
        if probe.__name__ == data["way"]:
            return json.loads(json.dumps(probe(data), default=str))
    return data["way"]
