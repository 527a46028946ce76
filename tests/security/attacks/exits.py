import ctypes
import os
import signal
import sys
import threading


def wait_for_ever():
    threading.Event().wait()


def in_thread():
    threading.Thread(target=os._exit, args=(4,)).start()
    wait_for_ever()


def by_child():
    if os.fork() == 0:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    wait_for_ever()


def too_deep():
    sys.setrecursionlimit(1 << 30)

    class Deep:
        def __repr__(self):
            return repr(self)

    repr(Deep())


WAYS = {
    "exit 0": lambda: sys.exit(0),
    "exit 3": lambda: sys.exit(3),
    "exit in a thread": in_thread,
    "exit at once": lambda: os._exit(5),
    "abort": os.abort,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "terminated": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "segmentation fault": lambda: ctypes.string_at(0),
    "killed by a child": by_child,
    "too deep a recursion": too_deep,
}


def handler(data, context):
    way = data["way"]
    if way == "ways":
        return list(WAYS)
    if way != "none":
        WAYS[way]()
    return way
