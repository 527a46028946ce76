#!/usr/bin/env python3
"""What it costs to fork a process and to end it, with nothing in between: the floor of a process for each call.

usage: benches/forking.py [--rounds 15] [--forks 150]

CPU time of both processes, on one CPU, from the fork to the end. The process is a bare Python with so many pages of its own more, so
many mappings more, and so many of its pages written to by the child. Of each the least of the rounds: others on the machine only add
to it. Prints a table and writes it to benches/results/.
"""
import argparse
import mmap
import os
import resource
import subprocess
import sys

# Pages, mappings, pages that the child writes to. The last one is about what the process of a small function has.
CASES = ((0, 0, 0), (1000, 0, 0), (0, 40, 0), (1000, 0, 250), (1000, 40, 250))


def private(pages):
    """Memory of this process's own, written to."""
    made = mmap.mmap(-1, max(pages, 1) * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(pages):
        made[page * mmap.PAGESIZE] = 1
    return made


def apart(count):
    """Mappings that the kernel can't join: every other one is shared."""
    return [private(1) if number % 2 else mmap.mmap(-1, mmap.PAGESIZE) for number in range(count)]


def spent():
    """CPU time of this process and of its children that have ended, in microseconds."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses) * 1e6


def measure(pages, mappings, written, forks):
    """Prints the microseconds of CPU of one fork of this process."""
    memory, others = private(pages), apart(mappings)
    step = mmap.PAGESIZE * (pages // max(written, 1))
    places = range(0, step * written, step or 1)
    before = spent()
    for _ in range(forks):
        child = os.fork()
        if child == 0:
            for place in places:
                memory[place] = 2
            os._exit(0)
        os.waitpid(child, 0)
    print((spent() - before) / forks)
    del memory, others


def main():
    from bench import machine
    from bench.report import keep, number

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--forks", type=int, default=150)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    least = dict.fromkeys(CASES, float("inf"))
    for _ in range(options.rounds):
        for case in CASES:
            command = [sys.executable, "-ISB", os.path.abspath(__file__), *map(str, case), str(options.forks)]
            took = float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
            least[case] = min(least[case], took)
    lines = [f"{machine.described()}. A fork of a bare Python and the end of the child: CPU time of both processes, the least of "
             f"{options.rounds} rounds of {options.forks}.", "", "| pages more | mappings more | pages that the child writes to | µs |", "|--:|--:|--:|--:|"]
    lines += ["| %d | %d | %d | %s |" % (*case, number(took)) for case, took in least.items()]
    keep("\n".join(lines) + "\n", "-forking")


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1].isdigit():
        measure(*map(int, sys.argv[1:]))
    else:
        main()
