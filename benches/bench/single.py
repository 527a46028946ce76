"""Peers that run a program for each call: no server, no connection, so what is measured is the start itself."""
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from .load import Sample

NODE = "const d = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify({greeting: `Hello, ${d.name}!`}))"
PYTHON = "import json, sys; print(json.dumps({'greeting': 'Hello, ' + json.load(sys.stdin)['name'] + '!'}))"
COMMANDS = {
    "a process per call, Node": ["node", "-e", NODE],
    "a process per call, Python": ["python3", "-I", "-S", "-c", PYTHON],
}


def docker_run(image):
    """The command of `docker run` per call, with the limits that the service sets, of an image with Node."""
    return ["docker", "run", "--rm", "-i", "--network=none", "--memory=128m", "--memory-swap=128m", "--pids-limit=64",
            "--cpus=1", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--entrypoint",
            "/usr/local/bin/node", image, "-e", NODE]


def node_image():
    """An image of the service's own with Node; none where there is no daemon."""
    try:
        listed = subprocess.run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True,
                                check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return None
    return next((image for image in listed if "nodejs" in image), None)


def measure(command, at_once, seconds):
    """Calls of a command, `at_once` at a time."""
    end = time.perf_counter() + seconds
    times = []

    def loop():
        while time.perf_counter() < end:
            began = time.perf_counter()
            subprocess.run(command, input=b'{"name": "Ada"}', stdout=subprocess.DEVNULL, check=True)
            times.append((time.perf_counter() - began) * 1e6)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        for running in [pool.submit(loop) for _ in range(at_once)]:
            running.result()
    elapsed = time.perf_counter() - began
    times.sort()
    return Sample(len(times) / elapsed, statistics.median(times), times[int(len(times) * 0.99)])
