#!/usr/bin/env python3
"""What it costs to wake a process, and to wait with a clock: one hundred bytes to another process and back, over two pipes.

usage: benches/waking.py [--rounds 3] [--trips 20000]

Figures are this program's, Python's own part included. Prints a table and writes it to benches/results/.
"""
import argparse
import os
import select
import statistics
import time

from bench import machine
from bench.report import keep, number

MESSAGE = b"x" * 100
# How the answer is waited for: milliseconds, none for as long as it takes, or without asking first.
WAITS = (("a read", "read"), ("poll, then a read", None), ("poll for at most 5 ms", 5), ("poll for at most 1 ms", 1))


class Echo:
    """A process on one CPU that sends back what it gets."""

    def __init__(self, cpu):
        (there, self.requests), (self.answers, back) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.sched_setaffinity(0, {cpu})
            os.close(self.requests)
            while data := os.read(there, len(MESSAGE)):
                os.write(back, data)
            os._exit(0)
        os.close(there)
        os.close(back)

    def trips(self, count, wait):
        """Microseconds of each round trip: of time, and of this program's CPU."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        began, ran = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(count):
            os.write(self.requests, MESSAGE)
            if wait != "read":
                poll.poll(wait)
            os.read(self.answers, len(MESSAGE))
        return [taken / count / 1000 for taken in (time.perf_counter_ns() - began, time.process_time_ns() - ran)]

    def end(self):
        """Waits for it."""
        os.close(self.requests)
        os.close(self.answers)
        os.waitpid(self.pid, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trips", type=int, default=20000)
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[0]})
    places = {"the same CPU": cpus[0], "another CPU": cpus[-1]}
    found = {(place, way): [] for place in places for way, _ in WAITS}
    for _ in range(options.rounds):
        for place, cpu in places.items():
            for way, wait in WAITS:
                echo = Echo(cpu)
                found[place, way].append(echo.trips(options.trips, wait))
                echo.end()
    lines = [f"{machine.described()}. {options.rounds} interleaved rounds of {options.trips:,} trips, medians.", "",
             "| waited for by | " + " | ".join(f"on {place}: µs, µs of CPU" for place in places) + " |", "|---|--:|--:|"]
    for way, _ in WAITS:
        cells = []
        for place in places:
            cells.append(", ".join(number(statistics.median(values), 1) for values in zip(*found[place, way])))
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    keep("\n".join(lines) + "\n", "-waking")


if __name__ == "__main__":
    main()
