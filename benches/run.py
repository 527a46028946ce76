#!/usr/bin/env python3
"""Warm and first calls of the service beside peers without isolation, in one run, interleaved over rounds.

usage: benches/run.py CLOUDBOX_BINARY [--rounds 3] [--seconds 3] [--drivers native,docker]

Prints a table and writes it, with the machine's description, to benches/results/. Figures of one run can be compared
with each other and with nothing else: ratios matter.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOKEN = "bench-token"
BODY = '{"name": "Ada"}'
CODE = {
    "node": ("nodejs20", "exports.handler = async (data) => ({ greeting: `Hello, ${data.name}!` });"),
    "python": ("python3.11", "def handler(data, context):\n    return {'greeting': f\"Hello, {data['name']}!\"}\n"),
    "go": (
        "go1.19",
        "package main\n\nfunc handler(data, context map[string]interface{}) (interface{}, error) {\n"
        '\treturn map[string]interface{}{"greeting": "Hello, " + data["name"].(string) + "!"}, nil\n}\n',
    ),
}


def wrk(url, connections, seconds):
    """Requests/s, p50 and p99 in µs, as wrk prints them; a wrong answer counts as an error."""
    script = os.path.join(HERE, "post.lua")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad:
        sys.exit(f"{bad.group(1)} calls of {url} failed")
    unit = {"us": 1, "ms": 1e3, "s": 1e6}

    def at(percent):
        value, name = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * unit[name]

    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), at(50), at(99)


class Peer:
    """A server without isolation that prints its port."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Cloudbox:
    """The service with one driver, with the three hello functions deployed."""

    def __init__(self, binary, driver, bundles):
        self.driver = driver
        self.data = tempfile.mkdtemp(prefix="cb-bench-")
        environment = dict(os.environ, CLOUDBOX_ADMIN_TOKEN=TOKEN, CLOUDBOX_BUNDLES_DIR=bundles)
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--sandbox", driver]
        log = open(os.path.join(self.data, "log"), "w")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self.base = re.search(r"http://[\d.:]+", self.process.stdout.readline()).group(0)
        for language in CODE:
            self.deploy(language, language)

    def api(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, data=json.dumps(body or {}).encode())
        request.add_header("Authorization", "Bearer " + TOKEN)
        request.add_header("Content-Type", "application/json")
        try:
            return json.load(urllib.request.urlopen(request, timeout=300))
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")

    def deploy(self, name, language):
        runtime, code = CODE[language]
        body = {"name": name, "runtime": runtime, "code": code, "is_public": True, "max_instances": 4}
        self.api("POST", "/api/projects/1/functions", body)
        self.api("POST", f"/api/projects/1/functions/{name}/deploy?wait=true")

    def url(self, name):
        return f"{self.base}/p/1/functions/{name}"

    def first_calls(self, language, count):
        """Milliseconds of the first call of `count` functions that were never called before, one after the other."""
        times = []
        for number in range(count):
            name = f"first-{language}-{number}"
            self.deploy(name, language)
            time.sleep(0.3)
            request = urllib.request.Request(self.url(name), data=BODY.encode(), method="POST")
            request.add_header("Content-Type", "application/json")
            began = time.perf_counter()
            urllib.request.urlopen(request, timeout=60).read()
            times.append((time.perf_counter() - began) * 1000)
        return times

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        shutil.rmtree(self.data, ignore_errors=True)


def bare_start():
    """Milliseconds of a bare start of each interpreter."""
    times = {}
    for name, command in {"node": ["node", "-e", "0"], "python": ["python3", "-I", "-S", "-c", "0"]}.items():
        samples = []
        for _ in range(10):
            began = time.perf_counter()
            subprocess.run(command, check=True, env={"PATH": os.environ["PATH"], "HOME": "/tmp"})
            samples.append((time.perf_counter() - began) * 1000)
        times[name] = statistics.median(samples)
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--first", type=int, default=10)
    parser.add_argument("--drivers", default="native,docker")
    parser.add_argument("--bundles", default=os.path.join(HERE, "..", "target", "bundles"))
    options = parser.parse_args()
    for tool in ("wrk", "node", "go"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing (apt-get install wrk nodejs golang-go)")
    scratch = tempfile.mkdtemp(prefix="cb-bench-peer-")
    go_http = os.path.join(scratch, "go-http")
    subprocess.run(["go", "build", "-o", go_http, os.path.join(HERE, "peers", "go-http.go")], check=True)
    os.environ.pop("NODE_EXTRA_CA_CERTS", None)
    peers = [Peer("node:http, no isolation", ["node", os.path.join(HERE, "peers", "node-http.mjs")])]
    peers.append(Peer("Go net/http, no isolation", [go_http]))
    services = [Cloudbox(options.binary, driver, os.path.abspath(options.bundles)) for driver in options.drivers.split(",")]
    rows = [(peer.name, peer.url) for peer in peers]
    rows += [(f"Cloudbox {service.driver}, {language}", service.url(language)) for service in services for language in CODE]
    samples = {name: {1: [], 8: [], 64: []} for name, _ in rows}
    try:
        for _, url in rows:
            wrk(url, 8, 1)
        for _ in range(options.rounds):
            for name, url in rows:
                for connections in (1, 8, 64):
                    samples[name][connections].append(wrk(url, connections, options.seconds))
        first = {
            f"Cloudbox {service.driver}, {language}": service.first_calls(language, options.first)
            for service in services
            for language in CODE
        }
    finally:
        for each in peers + services:
            each.stop()
        shutil.rmtree(scratch)
    report(samples, first, bare_start(), options)


def report(samples, first, bare, options):
    def median(name, connections, column):
        return statistics.median(sample[column] for sample in samples[name][connections])

    base = median("node:http, no isolation", 8, 0)
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, wrk on the same cores; "
        f"{options.rounds} interleaved rounds of {options.seconds} s, medians.",
        "",
        "| | 1 conn.: p50 µs | 8 conn.: req/s | of node:http | 8 conn.: p99 ms | 64 conn.: req/s | first call p50, max ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in samples:
        times = first.get(name)
        calls = f"{statistics.median(times):.1f}, {max(times):.1f}" if times else ""
        rate = median(name, 8, 0)
        lines.append(
            f"| {name} | {median(name, 1, 1):.0f} | {rate:.0f} | {rate / base:.2f} | {median(name, 8, 2) / 1e3:.1f} "
            f"| {median(name, 64, 0):.0f} | {calls} |"
        )
    starts = ", ".join(f"{name} {ms:.0f} ms" for name, ms in bare.items())
    lines += ["", f"A bare start of the interpreter, in the same run: {starts}."]
    text = "\n".join(lines) + "\n"
    print(text)
    results = os.path.join(HERE, "results")
    os.makedirs(results, exist_ok=True)
    with open(os.path.join(results, time.strftime("%Y-%m-%d.md")), "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
