#!/usr/bin/env python3
"""What a warm call costs where no CPU has to wake another: the service, its sandboxes, their peers and the load generator
on one CPU.

usage: benches/one_cpu.py CLOUDBOX_BINARY [--rounds 3] [--seconds 3] [--connections 1]

CPU time is the scheduler's own count for each thread, so that other processes change it little. Prints a table and
writes it to benches/results/.
"""
import os
import statistics

from bench import machine
from bench.load import closed
from bench.options import Parser
from bench.report import FLOOR, keep, number
from bench.servers import all_peers, post
from bench.service import CODE, Service
from bench.tools import Tools

PEERS = ("axum by itself", FLOOR, "node:http", "Go net/http", "workerd")
COLUMNS = ("", "requests/s", "p50 µs", "CPU µs/call: server", "its other processes")


class Subject:
    """One thing that is called, with its figures over the rounds."""

    def __init__(self, name, url, owner):
        self.name, self.url, self.owner = name, url, owner
        self.rate, self.p50, self.server, self.others = [], [], [], []

    def _ran(self):
        server = self.owner.process.pid
        return machine.ran_us({server}), machine.ran_us(self.owner.pids() - {server})

    def measure(self, options):
        """One round."""
        before = self._ran()
        sample = closed(self.url, options.connections, options.seconds)
        after = self._ran()
        calls = sample.rate * options.seconds
        self.rate.append(sample.rate)
        self.p50.append(sample.p50)
        self.server.append((after[0] - before[0]) / calls)
        # Of processes that ended meanwhile nothing is known any more.
        self.others.append(max(after[1] - before[1], 0) / calls)

    def cells(self):
        """The row, as text."""
        figures = [(self.rate, 0), (self.p50, 0), (self.server, 1), (self.others, 1)]
        return [self.name, *(number(statistics.median(values), digits) for values, digits in figures)]


def main():
    parser = Parser(__doc__)
    parser.add_rounds()
    parser.add_argument("--connections", type=int, default=1)
    options = parser.parse()
    tools = Tools(options)
    tools.fetch()
    # What this program starts stays where it is.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    service = Service(options.binary, "native", options.bundles)
    servers = [server for server in all_peers(tools) if server.name in PEERS]
    try:
        for server in servers:
            server.start()
        service.start()
        subjects = [Subject(server.name, server.url, server) for server in servers]
        for language in CODE:
            service.deploy(language, language)
            post(service.url(language))
            subjects.append(Subject(f"Cloudbox native, {language}", service.url(language), service))
        for subject in subjects:
            closed(subject.url, options.connections, 1)
        for _ in range(options.rounds):
            for subject in subjects:
                subject.measure(options)
    finally:
        for owner in (*servers, service):
            owner.stop()
    head = (f"{machine.described()}. All processes and wrk on one of the CPUs; {options.connections} connections, "
            f"{options.rounds} interleaved rounds of {options.seconds} s, medians.")
    lines = [head, "", "| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 1)]
    lines += ["| " + " | ".join(subject.cells()) + " |" for subject in subjects]
    keep("\n".join(lines) + "\n", "-one-cpu")


if __name__ == "__main__":
    main()
