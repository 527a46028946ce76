"""Peers that serve HTTP: each answers a POST of `{"name": …}` with a greeting."""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

from . import machine
from .load import ANSWER, BODY
from .tools import PEERS


def free_port():
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(url):
    """One call, checked."""
    request = urllib.request.Request(url, data=BODY.encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    if found != ANSWER:
        sys.exit(f"{url} answered {found}")


class Server:
    """A program that serves on a port: one that it prints, or one that it is given as `{port}`."""

    def __init__(self, name, isolation, command, prints_port=False, cwd=None, env=None):
        self.name, self.isolation, self.cwd, self.env = name, isolation, cwd, env or {}
        self.command, self.prints_port = command, prints_port
        self.process = self.url = None

    def start(self):
        """Milliseconds until it has answered for the first time."""
        began = time.perf_counter()
        port = None if self.prints_port else free_port()
        command = [part.format(port=port) for part in self.command]
        environment = {**os.environ, **{name: value.format(port=port) for name, value in self.env.items()}}
        output = subprocess.PIPE if self.prints_port else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, text=True, cwd=self.cwd,
                                        env=environment)
        if self.prints_port:
            port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                post(self.url)
                return (time.perf_counter() - began) * 1000
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - began > 60:
                    sys.exit(f"{self.name} doesn't answer: {' '.join(command)}")
                time.sleep(0.002)

    def pids(self):
        """Its processes."""
        return machine.family(self.process.pid)

    def stop(self):
        """Ends it."""
        if self.process:
            self.process.terminate()
            self.process.wait(30)


def all_peers(tools):
    """Every peer that a registry has, the fastest shapes first."""
    node = lambda name: os.path.join(tools.node, name)
    python = lambda name: os.path.join(tools.python, name)
    here = lambda *parts: os.path.join(PEERS, *parts)
    return [
        Server("axum by itself", "none", [tools.bench_peer, "alone"], prints_port=True),
        Server("axum + pipe + 2 Node", "none", [tools.bench_peer, "pipes", "2", "node", here("pipe.cjs")], prints_port=True),
        Server("node:http", "none", ["node", here("node-http.mjs")], prints_port=True),
        Server("Go net/http", "none", [tools.go_http], prints_port=True),
        Server("uvicorn", "none", [python("uvicorn"), "--app-dir", PEERS, "--port", "{port}", "--log-level", "warning",
                                   "--no-access-log", "hello_asgi:app"]),
        Server("deno serve", "permissions", [node("deno"), "serve", "--port", "{port}", "--host", "127.0.0.1",
                                             here("deno.js")]),
        Server("workerd", "V8 isolate", [node("workerd"), "serve", here("workerd", "config.capnp"),
                                         "--socket-addr=http=127.0.0.1:{port}"]),
        Server("Functions Framework, Node", "none", [node("functions-framework"), "--target=hello", "--port={port}"],
               cwd=here("framework-node"), env={"NODE_PATH": os.path.dirname(tools.node)}),
        Server("Functions Framework, Python", "none", [python("functions-framework"), "--target=hello", "--port={port}"],
               cwd=here("framework-python")),
    ]
