#!/usr/bin/env python3
"""First calls: functions that were never called, each with code of its own, one after the other with a pause in which a spare comes up.

usage: benches/first.py CLOUDBOX_BINARY [--count 100] [--drivers native,docker] [--languages node,python,go] [--bundles FOLDER]

The client writes to a socket of its own, and calls the same function once more: what that warm call takes is the client's and the
service's usual part. Prints a table and writes it to benches/results/.
"""
import os
import re
import socket
import sys
import time

from bench import machine
from bench.load import BODY
from bench.options import Parser
from bench.report import keep, number, percentile
from bench.service import CODE, TOKEN, Service

# As long as it takes to have a spare again, at the rate at which a quiet machine gets new functions.
PAUSE_S = 0.3
# Of a function that says nothing of it.
MEMORY_MB = 128
STEPS = ("queue", "load", "lease", "exec")
COMMENTS = {"node": "//", "python": "#", "go": "//"}


def call(service, name):
    """Milliseconds of one call over a connection of its own, those of its steps, and how it began."""
    host, port = service.base.removeprefix("http://").split(":")
    head = (f"POST /p/1/functions/{name} HTTP/1.1", f"host: {host}", f"authorization: Bearer {TOKEN}", "connection: close",
            "content-type: application/json", f"content-length: {len(BODY)}", "", BODY)
    began = time.perf_counter()
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join(head).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    took = (time.perf_counter() - began) * 1000
    text = answer.decode().lower()
    if not text.startswith("http/1.1 200"):
        sys.exit(f"{name}: {text}")
    steps = {step: float(ms) for step, ms in re.findall(r"(\w+);dur=([\d.]+)", text)}
    return took, steps, re.search(r"x-cloudbox-start: (\w+)", text).group(1)


def measure(service, language, count):
    """First calls, and the warm ones after them."""
    names = [f"first-{language}-{number}" for number in range(count)]
    for number, name in enumerate(names):
        service.deploy(name, language, code=f"{CODE[language][1]}\n{COMMENTS[language]} {number}\n")
    first, warm = [], []
    for name in names:
        time.sleep(PAUSE_S)
        first.append(call(service, name))
        warm.append(call(service, name))
    return first, warm


def row(driver, language, first, warm):
    """Its line of the table."""
    at = lambda calls, part: number(percentile([took for took, _, _ in calls], part), 1)
    steps = " | ".join(number(percentile([steps.get(step, 0) for _, steps, _ in first], 0.5), 2) for step in STEPS)
    spared = sum(start == "cold" for _, _, start in first)
    return (f"| {driver}, {language} | {len(first)} | {spared} | {at(first, 0.1)} | {at(first, 0.5)} | {at(first, 0.9)} | {at(first, 0.99)} "
            f"| {steps} | {at(warm, 0.5)} |")


def main():
    parser = Parser(__doc__)
    parser.add_drivers()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--languages", type=lambda text: text.split(","), default=list(CODE))
    options = parser.parse()
    rows = []
    # All of them stay, and leave spares their room: without it a first call ends somebody's sandbox and starts one.
    sandboxes = options.count * len(options.languages) + 50
    os.environ.update(CLOUDBOX_POOL_MAX_SANDBOXES=str(sandboxes), CLOUDBOX_POOL_MEMORY_BUDGET_MB=str(sandboxes * 2 * MEMORY_MB))
    for driver in options.drivers:
        service = Service(options.binary, driver, options.bundles)
        try:
            service.start()
            time.sleep(3)
            for language in options.languages:
                rows.append(row(driver, language, *measure(service, language, options.count)))
                print(rows[-1], flush=True)
        finally:
            service.stop()
    head = "| first calls | functions | cold | p10 ms | p50 | p90 | p99 | " + " | ".join(f"{step}, p50" for step in STEPS) + " | warm, p50 |"
    lines = [f"{machine.described()}. A connection for each call; a pause of {PAUSE_S} s before each.", "", head,
             "|---" + "|--:" * (head.count("|") - 2) + "|", *rows]
    keep("\n".join(lines) + "\n", "-first")


if __name__ == "__main__":
    main()
