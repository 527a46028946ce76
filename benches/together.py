#!/usr/bin/env python3
"""Calls that wait, 50 ms each: one at a time in each of many sandboxes, and many at once in one.

usage: benches/together.py CLOUDBOX_BINARY [--rounds 3] [--seconds 3] [--drivers native,docker] [--bundles FOLDER]

64 connections; interleaved rounds. With 50 ms in each call they can make 1,280 requests a second at most. Prints a table and writes it to
benches/results/.
"""
import statistics

from bench import machine
from bench.load import closed
from bench.options import Parser
from bench.report import keep, number
from bench.servers import post
from bench.service import CODE, Service

CONNECTIONS = 64
WAITING = {
    "node": "exports.handler = async (data) => { await new Promise((go) => setTimeout(go, 50)); return { greeting: `Hello, ${data.name}!` }; };",
    "python": "import asyncio\nasync def handler(data, context):\n    await asyncio.sleep(0.05)\n    return {'greeting': f\"Hello, {data['name']}!\"}\n",
    "go": CODE["go"][1].replace("package main\n", 'package main\nimport "time"\n').replace("\treturn", "\ttime.Sleep(50 * time.Millisecond)\n\treturn"),
}
# Calls at once in a sandbox, and sandboxes at most.
SHAPES = [(1, 8), (1, CONNECTIONS), (CONNECTIONS, 1)]


class Waits:
    """A service, its functions by language and shape, and what was measured of them."""

    def __init__(self, binary, driver, bundles):
        self.service, self.driver = Service(binary, driver, bundles), driver
        self.samples, self.sandboxes = {}, {}

    def start(self):
        """Deploys the functions."""
        self.service.start()
        for language, code in WAITING.items():
            for shape in SHAPES:
                concurrency, most = shape
                name = f"{language}-{concurrency}-{most}"
                self.service.deploy(name, language, code=code, concurrency=concurrency, max_instances=most, memory=64)
                post(self.service.url(name))

    def measure(self, language, shape, seconds):
        """One closed loop, after a short one that brings its sandboxes up."""
        concurrency, most = shape
        name = f"{language}-{concurrency}-{most}"
        closed(self.service.url(name), CONNECTIONS, 1)
        self.samples.setdefault((language, shape), []).append(closed(self.service.url(name), CONNECTIONS, seconds))
        scaling = self.service.api("GET", f"/api/projects/1/functions/{name}/scaling")
        self.sandboxes[language, shape] = scaling["instances"]["total"]
        # What it holds is the next one's.
        self.service.api("PATCH", f"/api/projects/1/functions/{name}", {"environment": {"ROUND": str(len(self.samples))}})

    def row(self, language, shape):
        """Its line of the table."""
        samples = self.samples[language, shape]
        rate, p50, p99 = (statistics.median(getattr(sample, what) for sample in samples) for what in ("rate", "p50", "p99"))
        return (f"| {self.driver}, {language} | {shape[0]} | {shape[1]} | {self.sandboxes[language, shape]} | {number(rate)} "
                f"| {number(p50, 1, 1e3)} | {number(p99, 1, 1e3)} |")


def main():
    parser = Parser(__doc__)
    parser.add_rounds()
    parser.add_drivers()
    options = parser.parse()
    waits = [Waits(options.binary, driver, options.bundles) for driver in options.drivers]
    try:
        for wait in waits:
            wait.start()
        for _ in range(options.rounds):
            for language in WAITING:
                for shape in SHAPES:
                    for wait in waits:
                        wait.measure(language, shape, options.seconds)
    finally:
        for wait in waits:
            wait.service.stop()
    lines = [f"{machine.described()}. {options.rounds} interleaved rounds of {options.seconds} s, medians; wrk on the same cores, {CONNECTIONS} connections.",
             "", "| calls of 50 ms | `concurrency` | `max_instances` | sandboxes | req/s | p50 ms | p99 ms |", "|---|--:|--:|--:|--:|--:|--:|"]
    lines += [wait.row(language, shape) for language in WAITING for shape in SHAPES for wait in waits]
    keep("\n".join(lines) + "\n", "-together")


if __name__ == "__main__":
    main()
