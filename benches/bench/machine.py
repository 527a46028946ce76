"""What processes use, and what machine they run on."""
import os
import platform
import re
import resource

TICKS = os.sysconf("SC_CLK_TCK")


def described():
    """One line: processor, cores, memory, kernel."""
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    model = found.group(1) if found else platform.machine()
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {gib:.0f} GiB, Linux {platform.release()}"


def _parents():
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    return parents


def family(root, mark=None):
    """The ids of a process and all below it, and of those whose cgroup's path has `mark`: containers are a daemon's
    children, not their user's."""
    parents = _parents()
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            break
        found |= more
    if mark:
        found |= {pid for pid in parents if mark in _read(f"/proc/{pid}/cgroup")}
    return found


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def memory_mb(pids):
    """Megabytes of these processes, shared pages divided among who shares them (PSS)."""
    total = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+) kB", _read(f"/proc/{pid}/smaps_rollup"), re.M)
        total += int(found.group(1)) if found else 0
    return total / 1024


def ran_us(pids):
    """Microseconds of CPU that these processes have used, as the scheduler counts for each thread that is still there."""
    total = 0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            fields = _read(f"/proc/{pid}/task/{thread}/schedstat").split()
            total += int(fields[0]) if fields else 0
    return total / 1000


def busy_s():
    """Seconds of CPU that the whole machine has used since its start, but for what this program waited for: with
    nobody else about, those of what is measured, the kernel's part and a container daemon's included."""
    fields = [int(field) for field in _read("/proc/stat").split("\n")[0].split()[1:]]
    idle = fields[3] + fields[4]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(fields[:8]) - idle) / TICKS - own.ru_utime - own.ru_stime
