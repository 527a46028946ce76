#!/usr/bin/env python3
"""First calls: functions that were never called, each with code of its own, one after the other with a pause in which a spare comes up.

usage: benches/first.py CLOUDBOX_BINARY [--count 100] [--drivers native,docker] [--languages node,python,go] [--bundles FOLDER]

The client writes to a socket of its own, and calls the same function once more: what that warm call takes is the client's and the
service's usual part. Prints a table and writes it to benches/results/.
"""
import time

from bench import machine
from bench.first import PAUSE_S, first_calls, room
from bench.options import Parser
from bench.report import keep, number, percentile
from bench.service import CODE, Service

STEPS = ("queue", "load", "lease", "exec")


def row(driver, language, first, warm):
    """Its line of the table."""
    at = lambda calls, part: number(percentile([call.ms for call in calls], part), 1)
    steps = " | ".join(number(percentile([call.steps.get(step, 0) for call in first], 0.5), 2) for step in STEPS)
    spared = sum(call.start == "cold" for call in first)
    return (f"| {driver}, {language} | {len(first)} | {spared} | {at(first, 0.1)} | {at(first, 0.5)} | {at(first, 0.9)} | {at(first, 0.99)} "
            f"| {steps} | {at(warm, 0.5)} |")


def main():
    parser = Parser(__doc__)
    parser.add_drivers()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--languages", type=lambda text: text.split(","), default=list(CODE))
    options = parser.parse()
    rows = []
    settings = room(options.count * len(options.languages) + 50)
    for driver in options.drivers:
        service = Service(options.binary, driver, options.bundles)
        try:
            service.start(**settings)
            time.sleep(3)
            for language in options.languages:
                rows.append(row(driver, language, *first_calls(service, language, options.count)))
                print(rows[-1], flush=True)
        finally:
            service.stop()
    head = "| first calls | functions | cold | p10 ms | p50 | p90 | p99 | " + " | ".join(f"{step}, p50" for step in STEPS) + " | warm, p50 |"
    lines = [f"{machine.described()}. A connection for each call; a pause of {PAUSE_S} s before each.", "", head,
             "|---" + "|--:" * (head.count("|") - 2) + "|", *rows]
    keep("\n".join(lines) + "\n", "-first")


if __name__ == "__main__":
    main()
