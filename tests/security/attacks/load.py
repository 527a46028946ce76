# What code may try while it is loaded.
import base64
import os
import signal

LOADED = base64.b64decode("AwAAAEAAAAAAeyJub25jZSI6IjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwiaGFuZGxlcl9zdHlsZSI6IngifQ==")


def every_pipe(work):
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.readlink("/proc/self/fd/" + name).startswith("pipe:"):
                work(int(name))
        except OSError:
            pass


way = os.environ.get("WAY")
if way == "throws":
    raise ValueError("at load")
if way == "exits":
    os._exit(0)
if way == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
if way == "says loaded":
    every_pipe(lambda fd: os.write(fd, LOADED))
if way == "says noise":
    every_pipe(lambda fd: os.write(fd, b"\xff" * 100))
if way == "closes all":
    every_pipe(os.close)
if way == "eats memory":
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))


def handler(data, context):
    return data["word"]


if way == "has no handler":
    del handler
