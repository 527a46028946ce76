#!/usr/bin/env python3
"""First calls: functions that were never called, each with code of its own, one after the other with a pause in which a spare comes up.

usage: benches/first.py CLOUDBOX_BINARY [--count 100] [--drivers native,docker] [--languages node,python,go] [--room N] [--bundles FOLDER]

With `--room`, no more sandboxes than these fit into the pool, spares among them: each first call beyond them ends one that is idle.

The client writes to a socket of its own, and calls the same function once more: what that warm call takes is the client's and the
service's usual part. Then the same runtime is started with nothing around it and nothing to do. Prints a table and writes it to benches/results/.
"""
import tempfile
import time

from bench import machine
from bench.first import MEMORY_MB, PAUSE_S, bare, bare_start, first_calls, room
from bench.options import Parser
from bench.report import keep, number, percentile
from bench.service import CODE, Service

STEPS = ("queue", "load", "lease", "exec")


def row(driver, language, first, warm, starts):
    """Its line of the table."""
    at = lambda calls, part: number(percentile([call.ms for call in calls], part), 1)
    steps = " | ".join(number(percentile([call.steps.get(step, 0) for call in first], 0.5), 2) for step in STEPS)
    spared = sum(call.start == "cold" for call in first)
    return (f"| {driver}, {language} | {len(first)} | {spared} | {at(first, 0.1)} | {at(first, 0.5)} | {at(first, 0.9)} | {at(first, 0.99)} "
            f"| {steps} | {at(warm, 0.5)} | {number(percentile(starts, 0.5), 1)} |")


def main():
    parser = Parser(__doc__)
    parser.add_drivers()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--languages", type=lambda text: text.split(","), default=list(CODE))
    parser.add_argument("--room", type=int)
    options = parser.parse()
    rows = []
    settings = room(options.count * len(options.languages) + 50)
    if options.room:
        settings["CLOUDBOX_POOL_MEMORY_BUDGET_MB"] = str(options.room * MEMORY_MB)
    with tempfile.TemporaryDirectory() as folder:
        for driver in options.drivers:
            service = Service(options.binary, driver, options.bundles)
            try:
                service.start(**settings)
                time.sleep(3)
                for language in options.languages:
                    starts, command = [], bare(language, folder)
                    measured = first_calls(service, language, options.count, lambda: starts.append(bare_start(command)))
                    rows.append(row(driver, language, *measured, starts))
                    print(rows[-1], flush=True)
            finally:
                service.stop()
    head = "| first calls | functions | cold | p10 ms | p50 | p90 | p99 | " + " | ".join(f"{step}, p50" for step in STEPS) + " | warm, p50 | a bare start, p50 |"
    full = f"; room for {options.room} sandboxes" if options.room else ""
    lines = [f"{machine.described()}. A connection for each call; a pause of {PAUSE_S} s before each{full}.", "", head,
             "|---" + "|--:" * (head.count("|") - 2) + "|", *rows]
    keep("\n".join(lines) + "\n", "-first")


if __name__ == "__main__":
    main()
