# The conversation's own descriptors: closed, replaced, made non-blocking, read by a thief, given to a program.
import fcntl
import os
import sys
import threading
import time


def pipes():
    """`(requests, answers)`: pipes beyond the usual three, by what can be done with them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.readlink("/proc/self/fd/" + name).startswith("pipe:"):
                found[fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE] = int(name)
        except OSError:
            pass
    return found.get(os.O_RDONLY), found.get(os.O_WRONLY)


def replace():
    null = os.open("/dev/null", os.O_RDWR)
    for fd in pipes():
        os.dup2(null, fd)


def do_not_block():
    for fd in pipes():
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def read_requests():
    fd = os.open("/proc/self/fd/%d" % pipes()[0], os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(fd, 1024)
    except BlockingIOError:
        pass


def steal():
    requests = pipes()[0]

    def work():
        while True:
            with open("/tmp/stolen", "ab") as file:
                file.write(os.read(requests, 65536))

    threading.Thread(target=work, daemon=True).start()


def steal_in_child():
    if os.fork() == 0:
        os.setsid()
        requests = pipes()[0]
        while True:
            with open("/tmp/stolen", "ab") as file:
                file.write(os.read(requests, 65536))


MIRROR = "import os\nwhile True: os.write(%d, os.read(%d, 65536))"


def become_mirror():
    requests, answers = pipes()
    os.set_inheritable(requests, True)
    os.set_inheritable(answers, True)
    os.execv(sys.executable, [sys.executable, "-c", MIRROR % (answers, requests)])


def mirror_in_child():
    if os.fork() == 0:
        become_mirror()
    time.sleep(0.1)


WAYS = {
    "close all": lambda: os.closerange(3, 1024),
    "close the answers": lambda: os.close(pipes()[1]),
    "close the requests": lambda: os.close(pipes()[0]),
    "replace": replace,
    "do not block": do_not_block,
    "read the requests": read_requests,
    "a thief": steal,
    "a thief in a child": steal_in_child,
    "a mirror": become_mirror,
    "a mirror in a child": mirror_in_child,
}


def handler(data, context):
    way = data.get("way")
    if way == "ways":
        return list(WAYS)
    if way is not None:
        WAYS[way]()
    stolen = open("/tmp/stolen").read() if os.path.exists("/tmp/stolen") else ""
    return {"word": data["word"], "stolen": stolen}
