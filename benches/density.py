#!/usr/bin/env python3
"""What idle functions cost: memory of each sandbox by language and driver, and what freezing, reclaiming and eviction save.

usage: benches/density.py CLOUDBOX_BINARY [--drivers native:500,docker:500] [--bundles FOLDER]

As many functions for each driver as are asked for, a third in each language, are called once and left alone. Needs root, since it reads
the sandboxes' cgroups. Prints tables and writes them to benches/results/.
"""
import glob
import os
import re
import statistics
import sys
import time

from bench import machine
from bench.filled import Sqlite
from bench.first import call, room
from bench.kept import Kept
from bench.options import Parser
from bench.report import keep, percentile
from bench.service import CODE

MB = 2**20
GOALS = {"node": 12, "python": 8, "go": 4}
# Memory that each function may use: what the pool's budget counts.
MEMORY_MB = 64


def read(path):
    """A file's text; empty where it is gone."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


class Group:
    """The cgroup of one sandbox, in either version of the hierarchy."""

    def __init__(self, folder):
        self.folder = folder
        self.pids = [int(pid) for pid in read(os.path.join(folder, "cgroup.procs")).split()]
        self.is_v2 = os.path.exists(os.path.join(folder, "memory.current"))

    def language(self):
        """Of what runs in it; none for a sandbox without code."""
        names = " ".join(read(f"/proc/{pid}/cmdline").replace("\0", " ") for pid in self.pids)
        known = {"node": "/node ", "python": "python", "go": "/workspace/function"}
        return next((language for language, word in known.items() if word in names + " "), None)

    def _stat(self, name):
        found = re.search(rf"^{name} (\d+)$", read(os.path.join(self.folder, "memory.stat")), re.M)
        return int(found.group(1)) if found else 0

    def charged(self):
        """Bytes: all, of programs' own memory, of files, of the kernel's."""
        if self.is_v2:
            return (int(read(os.path.join(self.folder, "memory.current")) or 0), self._stat("anon"), self._stat("file"),
                    self._stat("kernel"))
        kernel = int(read(os.path.join(self.folder, "memory.kmem.usage_in_bytes")) or 0)
        used = int(read(os.path.join(self.folder, "memory.usage_in_bytes")) or 0)
        return used, self._stat("total_rss"), self._stat("total_cache"), kernel

    def is_frozen(self):
        """Whether its processes are stopped."""
        path = self.folder.replace("/memory/", "/unified/")
        return "frozen 1" in read(os.path.join(path, "cgroup.events"))

    def reclaim(self):
        """Asks the kernel to take back what it can."""
        try:
            if self.is_v2:
                with open(os.path.join(self.folder, "memory.reclaim"), "w") as file:
                    file.write("1G")
            else:
                with open(os.path.join(self.folder, "memory.force_empty"), "w") as file:
                    file.write("0")
        except OSError:
            pass  # Less than was asked for could be had.


def groups(service):
    """Those of a service's sandboxes that have code, by language."""
    found = {language: [] for language in CODE}
    roots = [root for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if os.path.exists(root + "/cgroup.procs")]
    mine = "cloudbox-" + read(os.path.join(service.data, "instance-id")).strip()
    for folder, _, files in os.walk(roots[0]):
        if "cgroup.procs" not in files or mine not in folder:
            continue
        group = Group(folder)
        # What is not frozen has no code yet, or a call just now.
        if group.is_frozen() and group.language():
            found[group.language()].append(group)
    return found


def available_mb():
    """Megabytes that the machine has left."""
    return int(re.search(r"MemAvailable:\s+(\d+)", read("/proc/meminfo")).group(1)) / 1024


def calls(service, names, wanted):
    """p50 and p99 of a call of each that begins so, as text."""
    times = [found.ms for found in (call(service, name, timeout=120) for name in names) if found.start == wanted]
    if not times:
        return "none"
    return f"{statistics.median(times):.1f}, {percentile(times, 0.99):.1f} ({len(times)})"


def rows(service, found):
    """What each language's sandboxes are charged, and their share of pages."""
    for language, sandboxes in found.items():
        if not sandboxes:
            continue
        charged = [sandbox.charged() for sandbox in sandboxes]
        means = [statistics.mean(part) / MB for part in zip(*charged)]
        share = statistics.mean(machine.memory_mb(sandbox.pids) for sandbox in sandboxes)
        yield language, len(sandboxes), means, share


def measure(options, driver, functions):
    """The lines of one driver."""
    database = Sqlite()
    service = Kept(options.binary, driver, options.bundles, database)
    names = [f"{language}-{number}" for language in CODE for number in range(1, functions // 3 + 1)]
    settings = {
        **room(functions + 50, MEMORY_MB), "CLOUDBOX_POOL_IDLE_TIMEOUT_S": "36000",
        "CLOUDBOX_LIMITS_TOTAL_MEMORY_MB": str((functions + 50) * 2 * MEMORY_MB),
        "CLOUDBOX_LIMITS_TOTAL_PIDS": str(functions * 40 + 4000),
    }
    try:
        service.start(**settings)
        for language in CODE:
            service.deploy(language, language, memory=MEMORY_MB)
        service.pause()
        for language in CODE:
            database.multiply(service.data, language, functions // 3)
        service.start(**settings)
        for language in CODE:
            call(service, language, timeout=120)
        time.sleep(5)
        before = available_mb()
        first = calls(service, names, "cold")
        time.sleep(3)
        after = available_mb()
        found = groups(service)
        lines = [f"### {driver}, {functions} functions", "",
                 "| | frozen sandboxes | charged MB | goal | of it: own | files | kernel | share of pages (PSS) MB | charged after reclaim | own | PSS after reclaim |",
                 "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
        idle = list(rows(service, found))
        thawed = calls(service, names, "warm")
        time.sleep(3)
        for sandboxes in found.values():
            for sandbox in sandboxes:
                sandbox.reclaim()
        for (language, count, means, share), (_, _, less, least) in zip(idle, rows(service, found)):
            lines.append(f"| {language} | {count} | {means[0]:.1f} | {GOALS[language]} | {means[1]:.1f} | {means[2]:.1f} "
                         f"| {means[3]:.1f} | {share:.1f} | {less[0]:.1f} | {less[1]:.1f} | {least:.1f} |")
        count = sum(row[1] for row in idle) or 1
        shims = machine.memory_mb(int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/cmdline")
                                  if "containerd-shim" in read(path))
        lines += ["", f"The machine had {before - after:,.0f} MB less with the {count} sandboxes: {(before - after) / count:.1f} MB each. "
                  f"The service itself: {service.own_mb():.0f} MB. Docker's processes beside containers: {shims:.0f} MB.",
                  f"ms of a call, p50, p99 (how many): first {first}; thawed {thawed}; after the reclaim {calls(service, names, 'warm')}.", ""]
        return lines
    finally:
        service.stop()


def main():
    parser = Parser(__doc__)
    parser.add_argument("--drivers", default="native:500,docker:500", help="with how many functions each")
    options = parser.parse()
    if os.geteuid() != 0:
        sys.exit("only root may read and reclaim the sandboxes' memory")
    lines = [f"{machine.described()}. Functions, a third in each language, called once and left alone; means of all "
             "sandboxes of a language, MB.", ""]
    for driver in options.drivers.split(","):
        name, _, functions = driver.partition(":")
        lines += measure(options, name, int(functions or 500))
    keep("\n".join(lines), "-density")


if __name__ == "__main__":
    main()
