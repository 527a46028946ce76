#!/usr/bin/env python3
"""The service beside its peers, in one run, interleaved over rounds.

usage: benches/run.py CLOUDBOX_BINARY [--rounds 3] [--seconds 3] [--first 100] [--drivers native,docker] [--only WORD,…]

Prints a table and writes it, with the machine's description, to benches/results/. Figures of one run can be compared
with each other and with nothing else: ratios matter.
"""
import time

from bench import first, machine, single
from bench.load import closed, open_loop
from bench.options import Parser
from bench.report import Row, keep, ratios, table
from bench.servers import all_peers, post
from bench.service import CODE, Service
from bench.tools import Tools

CONNECTIONS = (1, 8, 64)
# After calls that use sandboxes up: those that are made again would take the processors of what is measured next.
REFILLED_S = 5
# How each call of these is isolated from the one before, beside the sandbox around both.
DIAL = [("node", "invocation"), ("python", "process"), ("python", "invocation"), ("go", "invocation")]
ZYGO = ("zygo, a forked Python process per call, was not run: it needs cgroup v2 alone. Its author's figures for two cores: "
        "p50 1.44 ms, p99 10.5 ms, 1,108 requests/s.")


class Subject:
    """One thing that is measured: a row, where it is called, and whose processes it takes."""

    def __init__(self, row, url, owner, connections=CONNECTIONS):
        self.row, self.url, self.owner, self.connections = row, url, owner, connections

    def rest(self):
        """Waits until it is quiet again."""
        if self.connections != CONNECTIONS:
            time.sleep(REFILLED_S)

    def measure(self, tools, options):
        """One round."""
        for connections in self.connections:
            before = machine.busy_s()
            sample = closed(self.url, connections, options.seconds)
            self.row.closed[connections].append(sample)
            if connections == 8:
                used = machine.busy_s() - before
                self.row.cpu_us.append(used * 1e6 / max(sample.rate * options.seconds, 1))
                self.row.loaded_mb.append(machine.memory_mb(self.owner.pids()))
        if options.rate and self.row.closed[8][-1].rate > 2 * options.rate:
            self.row.open.append(open_loop(tools.oha, self.url, options.rate, options.seconds))


def arguments():
    parser = Parser(__doc__)
    parser.add_rounds()
    parser.add_argument("--rate", type=int, default=500, help="requests/s of the open loop; 0 leaves it out")
    parser.add_argument("--first", type=int, default=100, help="functions that are called for the first time")
    parser.add_drivers()
    parser.add_argument("--only", default="", help="rows whose names have one of these words")
    options = parser.parse()
    options.words = [word for word in options.only.split(",") if word]
    return options


def is_wanted(options, name):
    return not options.words or any(word in name for word in options.words)


def peers(tools, options):
    """Peers that were started, with the time to their first answer and their idle memory."""
    for server in all_peers(tools):
        if not is_wanted(options, server.name):
            continue
        row = Row(server.name, server.isolation)
        row.first_ms.append(server.start())
        row.idle_mb.append(machine.memory_mb(server.pids()))
        yield Subject(row, server.url, server)


def functions(service, options):
    """The functions of one service: warm ones in each language, and those of the isolation dial."""
    isolation = "container" if service.driver == "docker" else "native sandbox"
    for language in CODE:
        row = Row(f"Cloudbox {service.driver}, {language}", isolation)
        if is_wanted(options, row.name):
            service.deploy(language, language)
            post(service.url(language))
            row.idle_mb.append(machine.memory_mb(service.pids()))
            yield Subject(row, service.url(language), service)
    for language, dial in DIAL:
        name = f"{language}-{dial}"
        row = Row(f"Cloudbox {service.driver}, {language}, isolation {dial}", f"{isolation}, one call each")
        if is_wanted(options, row.name):
            service.deploy(name, language, isolation=dial)
            post(service.url(name))
            yield Subject(row, service.url(name), service, connections=(1, 8))


def rounds(subjects, tools, options):
    """Every subject once in each round, after one second each that doesn't count."""
    for subject in subjects:
        closed(subject.url, 8, 1)
        subject.rest()
    for number in range(options.rounds):
        for subject in subjects:
            print(f"round {number + 1}: {subject.row.name}", flush=True)
            subject.measure(tools, options)
            subject.rest()


def starts(options):
    """What starts a program for each call."""
    commands = dict(single.COMMANDS)
    image = single.node_image()
    if image:
        commands["docker run per call, Node"] = single.docker_run(image)
    for name, command in commands.items():
        if not is_wanted(options, name):
            continue
        row = Row(name, "container" if "docker" in name else "process")
        for connections in (1, 8):
            row.closed[connections].append(single.measure(command, connections, max(options.seconds, 2)))
        yield row


def first_calls(services, rows, options):
    """The first call of functions that were never called before."""
    for service in services:
        for language in CODE:
            row = next((row for row in rows if row.name == f"Cloudbox {service.driver}, {language}"), None)
            if row and options.first:
                print(f"first calls: {row.name}", flush=True)
                calls, _ = first.first_calls(service, language, options.first)
                row.first_ms = [call.ms for call in calls]
                warm = sum(call.start == "warm" for call in calls)
                yield f"{row.name}: {options.first} first calls, of which {warm} found a sandbox that was warm."


def main():
    options = arguments()
    tools = Tools(options)
    tools.fetch()
    services = [Service(options.binary, driver, options.bundles) for driver in options.drivers]
    subjects, notes = [], []
    try:
        subjects += peers(tools, options)
        for service in services:
            # Beside those of the loops, of which there are fewer than by default.
            service.start(**first.room(options.first * len(CODE) + 256))
            subjects += functions(service, options)
        rounds(subjects, tools, options)
        rows = [subject.row for subject in subjects] + list(starts(options))
        notes += first_calls(services, rows, options)
    finally:
        for owner in {id(subject.owner): subject.owner for subject in subjects}.values():
            owner.stop()
        for service in services:
            service.stop()
    keep(table(rows, options, [*notes, ZYGO, "", *ratios(rows)]))


if __name__ == "__main__":
    main()
