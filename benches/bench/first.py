"""First calls: functions that were never called, each with code of its own, one after the other with a pause in which a spare comes up."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from .load import BODY
from .service import CODE, TOKEN

# As long as it takes to have a spare again, at the rate at which a quiet machine gets new functions.
PAUSE_S = 0.3
# Of a function that says nothing of it.
MEMORY_MB = 128
COMMENTS = {"node": "//", "python": "#", "go": "//"}


@dataclass
class Call:
    """Milliseconds of a call as its client saw them and of its steps as the service tells them, and how it began."""

    ms: float
    steps: dict
    start: str


def call(service, name, timeout=60):
    """One call over a connection of its own."""
    host, port = service.base.removeprefix("http://").split(":")
    head = (f"POST /p/1/functions/{name} HTTP/1.1", f"host: {host}", f"authorization: Bearer {TOKEN}", "connection: close",
            "content-type: application/json", f"content-length: {len(BODY)}", "", BODY)
    began = time.perf_counter()
    with socket.create_connection((host, int(port)), timeout) as connection:
        connection.sendall("\r\n".join(head).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    took = (time.perf_counter() - began) * 1000
    text = answer.decode().lower()
    if not text.startswith("http/1.1 200"):
        sys.exit(f"{name}: {text}")
    steps = {step: float(ms) for step, ms in re.findall(r"(\w+);dur=([\d.]+)", text)}
    return Call(took, steps, re.search(r"x-cloudbox-start: (\w+)", text).group(1))


def room(sandboxes, memory_mb=MEMORY_MB):
    """Settings with which all of so many sandboxes stay, and leave spares their room: else each first call ends somebody's."""
    return {"CLOUDBOX_POOL_MAX_SANDBOXES": str(sandboxes), "CLOUDBOX_POOL_MEMORY_BUDGET_MB": str(sandboxes * 2 * memory_mb)}


def bare(language, folder):
    """The command that starts this language's runtime, with nothing around it and nothing to do."""
    if language == "node":
        return [shutil.which("node"), "-e", "0"]
    if language == "python":
        return [os.path.realpath(sys.executable), "-I", "-S", "-c", "0"]
    source, binary = os.path.join(folder, "bare.go"), os.path.join(folder, "bare")
    with open(source, "w", encoding="utf-8") as file:
        file.write("package main\n\nfunc main() {}\n")
    subprocess.run(["go", "build", "-o", binary, source], check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return [binary]


def bare_start(command):
    """Milliseconds from its start to its end, after the pause that a call has."""
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - began) * 1000


def first_calls(service, language, count, between=lambda: None):
    """The first calls of `count` functions, and the warm ones after them: what these take is the client's and the service's usual
    part. `between` is done after each two."""
    names = [f"first-{language}-{number}" for number in range(count)]
    for number, name in enumerate(names):
        service.deploy(name, language, code=f"{CODE[language][1]}\n{COMMENTS[language]} {number}\n")
    first, warm = [], []
    for name in names:
        time.sleep(PAUSE_S)
        first.append(call(service, name))
        warm.append(call(service, name))
        between()
    return first, warm
