# Frames of the attacker's own making, on every pipe that can be found.
import json
import os
import struct
import sys
import threading
import time

NONCE = "0" * 32


def pipes():
    """Descriptors beyond the usual three that something can be written to."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            is_pipe = os.readlink("/proc/self/fd/" + name).startswith("pipe:")
            flags = int(open("/proc/self/fdinfo/" + name).read().split("flags:")[1].split()[0], 8)
        except OSError:
            continue
        if int(name) > 2 and is_pipe and flags & 3 == 1:
            found.append(int(name))
    return found


def frame(nonce=NONCE, kind=5):
    header = json.dumps({"nonce": nonce, "status": 200, "headers": []}).encode()
    body = b'"forged"'
    return struct.pack(">BII", kind, len(header), len(body)) + header + body


def write(data):
    for fd in pipes():
        os.write(fd, data)


def own_nonce():
    """The call's own nonce, from the shim's frames; a second answer, since the shim sends one too."""
    at = sys._getframe()
    while at is not None:
        if isinstance(at.f_locals.get("head"), dict):
            write(frame(at.f_locals["head"]["nonce"]).replace(b'"forged"', b'"spoilt"'))
            return
        at = at.f_back


def after():
    def work():
        time.sleep(0.002)
        for _ in range(100):
            write(frame())

    threading.Thread(target=work).start()


def from_child():
    if os.fork() == 0:
        os.setsid()
        while True:
            try:
                write(frame())
            except OSError:
                os._exit(0)
            time.sleep(0.001)
    time.sleep(0.05)


def returns_twice():
    """A child that comes back into the shim."""
    os.fork()


WAYS = {
    "a foreign nonce": lambda: write(frame()),
    "two frames": lambda: write(frame() + frame()),
    "half a frame": lambda: write(frame()[:20]),
    "an endless header": lambda: write(b"\x05" + b"\xff" * 8),
    "a frame out of turn": lambda: write(frame(kind=3)),
    "an unknown kind": lambda: write(frame(kind=99)),
    "noise": lambda: write(os.urandom(4096)),
    "its own nonce": own_nonce,
    "a frame after the answer": after,
    "a frame from a child": from_child,
    "a child that returns": returns_twice,
    "a frame in the logs": lambda: os.write(1, frame()) and os.write(2, frame()),
}


def handler(data, context):
    way = data.get("way")
    if way == "ways":
        return list(WAYS)
    if way is not None:
        WAYS[way]()
    return data["word"]
