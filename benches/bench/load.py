"""Load: closed loops by wrk, a fixed rate by oha. Each is a program of its own and shares the machine with what it asks."""
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
BODY = '{"name": "Ada"}'
ANSWER = {"greeting": "Hello, Ada!"}


@dataclass
class Sample:
    """Requests per second, and times in µs."""

    rate: float
    p50: float
    p99: float


def closed(url, connections, seconds):
    """As many requests as `connections` clients can make that each wait for their answer."""
    script = os.path.join(HERE, "post.lua")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text) or re.search(r"Socket errors: (.*[1-9].*)", text)
    if bad:
        sys.exit(f"{url}: {bad.group(0)}")
    unit = {"us": 1, "ms": 1e3, "s": 1e6}

    def at(percent):
        value, name = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * unit[name]

    return Sample(float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), at(50), at(99))


def open_loop(oha, url, rate, seconds):
    """Requests at a fixed rate, whatever the answers do: a late one delays no other, and counts from when it was due."""
    command = [oha, "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-q", str(rate), "-c", "64",
               "--latency-correction", "-m", "POST", "-T", "application/json", "-d", BODY, url]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # What was under way at the end is broken off.
    failed = {why: count for why, count in found["errorDistribution"].items() if "deadline" not in why}
    if failed or any(not status.startswith("2") for status in found["statusCodeDistribution"]):
        sys.exit(f"{url}: {failed} {found['statusCodeDistribution']}")
    times = found["latencyPercentiles"]
    return Sample(found["summary"]["requestsPerSec"], times["p50"] * 1e6, times["p99"] * 1e6)
