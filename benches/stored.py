#!/usr/bin/env python3
"""What the service costs when much is stored: 10,000 functions and 1,000,000 records, beside an empty one in the same run.

usage: benches/stored.py CLOUDBOX_BINARY [--functions 10000] [--records 1000000] [--rounds 5] [--seconds 3]
       [--database sqlite|postgres] [--asked 300] [--keep] [--bundles FOLDER]

Warm calls of both services are measured in turns; then lists and logs of the full one over HTTP, and calls and changes
while old records are deleted. Prints tables and writes them to benches/results/. Needs wrk.
"""
import http.client
import json
import statistics
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from bench import machine
from bench.load import closed
from bench.filled import Postgres, Sqlite
from bench.kept import Kept
from bench.options import Parser
from bench.report import keep, percentile
from bench.service import TOKEN


class Asker:
    """One connection with a credential."""

    def __init__(self, base):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=60)

    def ask(self, path, method="GET", body=None):
        """Milliseconds, and the answer."""
        headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}
        began = time.perf_counter()
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]}")
        return took, json.loads(text)


def warm(services, options):
    """p50 of warm calls, in turns: a row for each number of connections."""
    found = {(name, connections): [] for name in services for connections in (1, 8)}
    for service in services.values():
        closed(service.url("node"), 8, 1)
    for number in range(options.rounds):
        names = list(services) if number % 2 == 0 else list(services)[::-1]
        for connections in (1, 8):
            for name in names:
                found[name, connections].append(closed(services[name].url("node"), connections, options.seconds))
    lines = ["| warm call | empty: p50 µs | full: p50 µs | full to empty | empty: req/s | full: req/s |", "|---|--:|--:|--:|--:|--:|"]
    for connections in (1, 8):
        p50 = [statistics.median(sample.p50 for sample in found[name, connections]) for name in ("empty", "full")]
        rate = [statistics.median(sample.rate for sample in found[name, connections]) for name in ("empty", "full")]
        lines.append(f"| {connections} connection{'s' if connections > 1 else ''} | {p50[0]:,.0f} | {p50[1]:,.0f} | {p50[1] / p50[0]:.3f} "
                     f"| {rate[0]:,.0f} | {rate[1]:,.0f} |")
    return lines


def lists(asker, options):
    """What is asked, each with a path for its nth time. The busy function has a ninth of its records within the last day."""
    busy, one = "/api/projects/1/functions/busy", "/api/projects/1/functions/f{}"
    since = lambda hours: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - hours * 3600))
    some = lambda n: 1 + n * 7919 % (options.functions - 2)
    _, page = asker.ask(busy + "/logs?limit=1000")
    cursors = [page["next_cursor"]]
    for _ in range(20):
        cursors.append(asker.ask(f"{busy}/logs?limit=1000&cursor={cursors[-1]}")[1]["next_cursor"])
    deep = lambda n: cursors[n % len(cursors)]
    _, shown = asker.ask(busy)
    number = shown["id"]
    return [
        ("functions, first page of 50", lambda n: "/api/projects/1/functions"),
        ("functions, a page of 50 anywhere", lambda n: f"/api/projects/1/functions?cursor={some(n)}"),
        ("functions, 1,000 of them", lambda n: f"/api/projects/1/functions?limit=1000&cursor={some(n) // 2}"),
        ("one function", lambda n: one.format(some(n))),
        ("its versions", lambda n: one.format(some(n)) + "/versions"),
        ("its deployments", lambda n: one.format(some(n)) + "/deployments"),
        ("its logs, all 50 newest", lambda n: one.format(some(n)) + "/logs"),
        ("logs of the busy function", lambda n: busy + "/logs"),
        ("the same, a page anywhere", lambda n: f"{busy}/logs?cursor={deep(n)}"),
        ("the same, failed ones", lambda n: busy + "/logs?status=error"),
        ("the same, since an hour ago", lambda n: f"{busy}/logs?since={since(1)}"),
        ("the same, since 20 days ago", lambda n: f"{busy}/logs?since={since(480)}"),
        ("the same, since 20 days ago, failed ones, a page anywhere",
         lambda n: f"{busy}/logs?since={since(480)}&status=error&cursor={deep(n)}"),
        ("the same, since a time to come", lambda n: f"{busy}/logs?since={since(-1)}"),
        ("the same, 1,000 of them", lambda n: busy + "/logs?limit=1000"),
        ("numbered pages of its logs, the first", lambda n: f"/api/functions/{number}/execution-logs?limit=20"),
        ("numbered pages, a far one", lambda n: f"/api/functions/{number}/execution-logs?limit=20&page={1000 + n}"),
        ("dashboard: counts", lambda n: "/api/dashboard/stats"),
        ("dashboard: newest calls", lambda n: "/api/dashboard/recent-activity"),
        ("inline calls", lambda n: "/api/projects/1/inline-executions"),
        ("secrets", lambda n: "/api/projects/1/secrets"),
    ]


def asked(service, options):
    """p50 and p99 of every list over one kept connection."""
    asker = Asker(service.base)
    lines = ["| list, over HTTP | p50 ms | p99 ms |", "|---|--:|--:|"]
    for name, path in lists(asker, options):
        times = [asker.ask(path(n))[0] for n in range(options.asked)]
        lines.append(f"| {name} | {statistics.median(times):.1f} | {percentile(times, 0.99):.1f} |")
    return lines


def deletion(service, options):
    """Calls and changes beside them while records older than ten days go, and without that."""
    old = lambda: service.database.older(service.data, 10)
    before = old()
    lines = ["| | warm call, 8 connections: p50, p99 µs | a change (PATCH): p50, p99 ms |", "|---|--:|--:|"]

    def sample(name):
        asker, changes = Asker(service.base), []
        with ThreadPoolExecutor(1) as beside:
            calls = beside.submit(closed, service.url("node"), 8, options.seconds)
            while not calls.done():
                changes.append(asker.ask("/api/projects/1/functions/f7", "PATCH", {"description": f"{name} {len(changes)}"})[0])
                time.sleep(0.02)
        load = calls.result()
        lines.append(f"| {name} | {load.p50:,.0f}, {load.p99:,.0f} "
                     f"| {statistics.median(changes):.1f}, {percentile(changes, 0.99):.1f} |")

    service.start(CLOUDBOX_RECORDS_KEEP_DAYS="0")
    closed(service.url("node"), 8, 1)
    sample("nothing is deleted")
    service.pause()
    service.start(CLOUDBOX_RECORDS_KEEP_DAYS="10")
    closed(service.url("node"), 8, 2)
    began, at = time.perf_counter(), old()
    sample("old records are deleted")
    rate = (at - old()) / (time.perf_counter() - began)
    while old() and time.perf_counter() - began < 600:
        time.sleep(1)
    lines += ["", f"{before:,} records were old. {rate:,.0f} a second went while the two columns were measured; {old():,} are left."]
    service.pause()
    return lines


def arguments():
    parser = Parser(__doc__)
    parser.add_argument("--functions", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_rounds(rounds=5)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--asked", type=int, default=300, help="how often each list is asked for")
    parser.add_argument("--keep", action="store_true", help="leave the deletion of old records out")
    return parser.parse()


def run(services, database, options):
    """The text of a result."""
    lines = [f"{machine.described()}. {options.functions:,} functions, {options.records:,} records, {options.database}; "
             f"native sandboxes, Node; {options.rounds} rounds of {options.seconds} s in turns, medians; lists: {options.asked} each.", ""]
    for service in services.values():
        service.start()
        service.deploy("node", "node")
        service.pause()
    full = services["full"]
    began = time.perf_counter()
    database.fill(full.data, options)
    print(f"filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    lines += ["| | empty | full |", "|---|--:|--:|"]
    ready = {name: service.start() for name, service in services.items()}
    time.sleep(5)
    memory = {name: service.own_mb() for name, service in services.items()}
    lines.append(f"| start to ready, s | {ready['empty']:.2f} | {ready['full']:.2f} |")
    lines.append(f"| memory of the service, MB | {memory['empty']:.0f} | {memory['full']:.0f} |")
    lines.append(f"| database, MB | {database.megabytes(services['empty'].data):.0f} | {database.megabytes(full.data):.0f} |")
    lines += ["", *warm(services, options), "", *asked(full, options), ""]
    for service in services.values():
        service.pause()
    if not options.keep:
        lines += deletion(full, options)
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    database = Postgres() if options.database == "postgres" else Sqlite()
    services = {name: Kept(options.binary, "native", options.bundles, database) for name in ("empty", "full")}
    try:
        text = run(services, database, options)
    finally:
        for service in services.values():
            service.stop()
        database.stop()
    keep(text, f"-stored-{options.database}")


if __name__ == "__main__":
    main()
