#!/usr/bin/env python3
"""The isolation dial: a process for each Python call, a sandbox for each call, and how quickly those are made again.

usage: benches/dial.py CLOUDBOX_BINARY [--rounds 3] [--seconds 3] [--drivers native,docker] [--ready 8] [--bundles FOLDER]

Interleaved rounds over both drivers; figures of one run can be compared with each other and with nothing else. Prints tables
and writes them to benches/results/.
"""
import http.client
import re
import statistics
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from bench import machine
from bench.load import BODY, closed
from bench.options import Parser
from bench.report import keep, number, percentile
from bench.servers import post
from bench.service import CODE, TOKEN, Service

# Seconds that sandboxes may take to be ready again.
PATIENCE = 120


class Dialled:
    """A service, its functions by setting, and what was measured of them."""

    def __init__(self, binary, driver, bundles, ready):
        self.service, self.ready = Service(binary, driver, bundles), ready
        self.driver = driver
        self.loops = {}
        self.held, self.refill, self.sustained = ({language: [] for language in CODE} for _ in range(3))

    def start(self):
        """Starts it with as many sandboxes held ready as are wanted, and deploys the functions."""
        self.service.start(CLOUDBOX_POOL_MAX_PREPARED=str(self.ready))
        for isolation in ("version", "process"):
            self.service.deploy(isolation, "python", isolation=isolation)
            post(self.service.url(isolation))
        for language in CODE:
            self.service.deploy(language, language, isolation="invocation", max_instances=100)

    def prepared(self):
        """How many sandboxes are held ready."""
        request = urllib.request.Request(self.service.base + "/metrics", headers={"Authorization": "Bearer " + TOKEN})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
        return int(float(re.search(r'^cloudbox_pool_sandboxes\{state="prepared"\} (\S+)', text, re.M).group(1)))

    def filled(self, count):
        """Waits until so many are held ready; the seconds that it took."""
        began = time.perf_counter()
        while self.prepared() < count:
            if time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{self.driver}: {self.prepared()} of {count} sandboxes are ready after {PATIENCE} s")
            time.sleep(0.02)
        return time.perf_counter() - began

    def forked(self, seconds):
        """Python calls in the same process and in one of their own."""
        for isolation in ("version", "process"):
            for connections in (1, 8):
                sample = closed(self.service.url(isolation), connections, seconds)
                self.loops.setdefault((isolation, connections), []).append(sample)

    def fresh(self, language, seconds):
        """Calls while sandboxes last, the time until all are ready again, and the rate where none is waited for."""
        url = self.service.url(language)
        # What was held for the functions before it goes: a change of settings ends it.
        for other in CODE:
            self.service.api("PATCH", f"/api/projects/1/functions/{other}", {"environment": {"ROUND": str(time.time())}})
        self.sustained[language].append(closed(url, 8, seconds))
        with ThreadPoolExecutor(2 * self.ready) as clients:
            # Each that finds none has one more held.
            list(clients.map(lambda _: post(url), range(4 * self.ready)))
        self.filled(self.ready)
        time.sleep(1)
        host, path = self.service.base.split("//")[1], url[len(self.service.base):]
        client = http.client.HTTPConnection(host, timeout=60)
        for _ in range(self.ready):
            began = time.perf_counter()
            client.request("POST", path, BODY, {"Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
            took = (time.perf_counter() - began) * 1e3
            if answer.headers["X-Cloudbox-Start"] == "warm":
                self.held[language].append(took)
        client.close()
        missing = self.ready - self.prepared()
        if missing > 0:
            self.refill[language].append(missing / self.filled(self.ready))

    def median(self, isolation, connections, what):
        """The median over the rounds of one figure of a closed loop."""
        return statistics.median(getattr(sample, what) for sample in self.loops[isolation, connections])


def tables(dials, options):
    """The results as text."""
    yield (f"{machine.described()}. {options.rounds} interleaved rounds of {options.seconds} s, medians; wrk on the same cores. "
           f"At most {options.ready} sandboxes of a function were held ready.")
    yield from ["", "| Python | 1 conn.: p50 µs, p99 | 8 conn.: req/s | p99 ms |", "|---|--:|--:|--:|"]
    for dial in dials:
        for isolation in ("version", "process"):
            one = [number(dial.median(isolation, 1, what)) for what in ("p50", "p99")]
            yield (f"| {dial.driver}, isolation {isolation} | {', '.join(one)} | {number(dial.median(isolation, 8, 'rate'))} "
                   f"| {number(dial.median(isolation, 8, 'p99'), 1, 1e3)} |")
    yield from ["", "| isolation invocation | a call while sandboxes last: p50 ms, p99 (how many) | made ready again: per s, with no call meanwhile "
                "| calls per s, 8 at once, none waited for | p50 ms of these |", "|---|--:|--:|--:|--:|"]
    for dial in dials:
        for language in CODE:
            held, refill, rate = dial.held[language], dial.refill[language], dial.sustained[language]
            shown = f"{statistics.median(held):.1f}, {percentile(held, 0.99):.1f} ({len(held)})" if held else "none"
            again = number(statistics.median(refill), 1) if refill else ""
            yield (f"| {dial.driver}, {language} | {shown} | {again} | {number(statistics.median(one.rate for one in rate), 1)} "
                   f"| {number(statistics.median(one.p50 for one in rate), 1, 1e3)} |")


def main():
    parser = Parser(__doc__)
    parser.add_rounds()
    parser.add_drivers()
    parser.add_argument("--ready", type=int, default=8, help="sandboxes that are held ready of a function at most")
    options = parser.parse()
    dials = [Dialled(options.binary, driver, options.bundles, options.ready) for driver in options.drivers]
    try:
        for dial in dials:
            dial.start()
        for _ in range(options.rounds):
            for dial in dials:
                dial.forked(options.seconds)
            for language in CODE:
                for dial in dials:
                    dial.fresh(language, options.seconds)
    finally:
        for dial in dials:
            dial.service.stop()
    keep("\n".join(tables(dials, options)) + "\n", "-dial")


if __name__ == "__main__":
    main()
