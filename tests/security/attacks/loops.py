import os
import re
import signal
import time


def handler(data, context):
    way = data["way"]
    if way == "sync":
        while True:
            pass
    if way == "regex":
        re.match("(a+)+$", "a" * 64 + "b")
    if way == "native":
        # Within one call of the interpreter's C code, which holds its lock.
        sum(range(10**14))
    if way == "bigint":
        3 ** (10**9)
    if way == "signals":
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass
    if way == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
    if way == "spin":
        until = time.monotonic() + data["seconds"]
        while time.monotonic() < until:
            pass
    return way
