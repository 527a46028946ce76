import errno
import mmap
import os
import threading
import time

KEPT = []
MB = 1 << 20


def hog(size):
    block = bytearray(size)
    block[::4096] = b"x" * len(block[::4096])
    return block


def children(count, work):
    started = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        started.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in started]


def memory(way):
    if way == "heap":
        while True:
            KEPT.append(hog(4 * MB))
    if way == "off-heap" or way == "shared":
        kind = mmap.MAP_SHARED if way == "shared" else mmap.MAP_PRIVATE
        while True:
            area = mmap.mmap(-1, 4 * MB, kind | mmap.MAP_ANONYMOUS)
            for at in range(0, 4 * MB, 4096):
                area[at] = 1
            KEPT.append(area)
    if way == "children":
        return children(16, lambda: (KEPT.append(hog(64 * MB)), time.sleep(2)))


def processes(way):
    started = 0
    try:
        while started < 5000:
            if way == "forks":
                if os.fork() == 0:
                    threading.Event().wait()
            else:
                threading.Thread(target=threading.Event().wait, daemon=True).start()
            started += 1
    except (OSError, RuntimeError) as error:
        name = errno.errorcode.get(getattr(error, "errno", None), "EAGAIN")
        return {"started": started, "error": name}
    return {"started": started}


def descriptors():
    try:
        while True:
            KEPT.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return {"opened": len(KEPT), "error": errno.errorcode[error.errno]}


def fill(path, step=MB):
    written = 0
    try:
        with open(path, "wb", buffering=0) as file:
            while True:
                written += file.write(b"x" * step)
    except OSError as error:
        return {"written": written, "error": errno.errorcode[error.errno]}


def disk():
    found = {"files": [fill(f"/tmp/full-{number}") for number in range(8)]}
    for number in range(8):
        os.unlink(f"/tmp/full-{number}")
    made = 0
    try:
        while made < 100_000:
            os.close(os.open(f"/tmp/inode-{made}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError as error:
        found["inodes"] = {"made": made, "error": errno.errorcode[error.errno]}
    for number in range(made):
        os.unlink(f"/tmp/inode-{number}")
    try:
        with open("/tmp/sparse", "wb") as file:
            file.truncate(1 << 40)
        found["sparse"] = "made"
    except OSError as error:
        found["sparse"] = errno.errorcode[error.errno]
    found["after"] = fill("/tmp/after")["written"]
    os.unlink("/tmp/after")
    return found


def handler(data, context):
    way = data["way"]
    if way in ("heap", "off-heap", "shared", "children"):
        return memory(way)
    if way in ("forks", "threads"):
        return processes(way)
    if way == "descriptors":
        return descriptors()
    if way == "disk":
        return disk()
    return way
