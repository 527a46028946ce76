"""The table of results, and where results are kept."""
import os
import statistics
import time

from . import machine

COLUMNS = ["", "isolation", "1 conn.: p50 µs", "8 conn.: req/s", "of the floor", "8 conn.: p99 ms", "64 conn.: req/s",
           "fixed rate: p50, p99 ms", "CPU µs/call", "memory MB idle, loaded", "first answer ms"]
FLOOR = "axum + pipe + 2 Node"
RESULTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results")


class Row:
    """What was measured of one peer or function, over the rounds."""

    def __init__(self, name, isolation):
        self.name, self.isolation = name, isolation
        self.closed = {1: [], 8: [], 64: []}
        self.open, self.cpu_us, self.idle_mb, self.loaded_mb, self.first_ms = [], [], [], [], []

    def median(self, connections, what):
        """The median over the rounds of one figure of a closed loop."""
        samples = self.closed[connections]
        return statistics.median(getattr(sample, what) for sample in samples) if samples else None

    def cells(self, floor):
        """The row, as text."""
        rate = self.median(8, "rate")
        first = sorted(self.first_ms)
        shown = [number(self.median(1, "p50")), number(rate), number(rate and floor and rate / floor, 2),
                 number(self.median(8, "p99"), 1, 1e3), number(self.median(64, "rate")),
                 pair([sample.p50 / 1e3 for sample in self.open], [sample.p99 / 1e3 for sample in self.open]),
                 number(statistics.median(self.cpu_us) if self.cpu_us else None),
                 pair(self.idle_mb, self.loaded_mb, 0)]
        if len(first) > 3:
            shown.append(f"{statistics.median(first):.1f}, p99 {percentile(first, 0.99):.1f}")
        else:
            shown.append(number(statistics.median(first), 1) if first else "")
        return [self.name, self.isolation, *shown]


def percentile(times, part):
    """The value that this part of all lies below."""
    return sorted(times)[int(len(times) * part)]


def number(value, digits=0, per=1):
    """A figure, or nothing."""
    return "" if value is None else f"{value / per:,.{digits}f}"


def pair(first, second, digits=1):
    """Two medians."""
    if not first or not second:
        return ""
    return f"{statistics.median(first):,.{digits}f}, {statistics.median(second):,.{digits}f}"


def table(rows, options, notes):
    """The whole text of a result."""
    floor = next((row.median(8, "rate") for row in rows if row.name == FLOOR), None)
    lines = [f"{machine.described()}. wrk and oha on the same cores; {options.rounds} interleaved rounds of {options.seconds} s, "
             f"medians. The fixed rate is {options.rate} requests/s.", "",
             "| " + " | ".join(COLUMNS) + " |", "|---|---|" + "--:|" * (len(COLUMNS) - 2)]
    lines += ["| " + " | ".join(row.cells(floor)) + " |" for row in rows]
    return "\n".join(lines + [""] + notes) + "\n"


def ratios(rows):
    """Each function of the service against each peer: how many times its requests/s at 8 connections."""
    ours = [row for row in rows if row.name.startswith("Cloudbox") and row.median(8, "rate")]
    peers = [row for row in rows if not row.name.startswith("Cloudbox") and row.median(8, "rate")]
    lines = ["| requests/s at 8 connections, times | " + " | ".join(row.name for row in ours) + " |",
             "|---|" + "--:|" * len(ours)]
    for peer in peers:
        cells = [f"{row.median(8, 'rate') / peer.median(8, 'rate'):.2f}" for row in ours]
        lines.append(f"| {peer.name} | " + " | ".join(cells) + " |")
    return lines


def keep(text, kind=""):
    """Prints a result and writes it to benches/results/, under the day's date and `kind`."""
    print(text)
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, time.strftime("%Y-%m-%d") + kind + ".md"), "w") as file:
        file.write(text)
