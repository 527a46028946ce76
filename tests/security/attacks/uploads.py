# A reader of bodies that come piece by piece, and the ways to read them that nobody should take.
import json
import os
import struct
import threading
from urllib.parse import parse_qs


def open_requests():
    """What the requests come through, opened to be written to."""
    for name in os.listdir("/proc/self/fd"):
        try:
            is_pipe = os.readlink("/proc/self/fd/" + name).startswith("pipe:")
            flags = int(open("/proc/self/fdinfo/" + name).read().split("flags:")[1].split()[0], 8)
        except OSError:
            continue
        if int(name) > 2 and is_pipe and flags & 3 == 0:
            return os.open("/proc/self/fd/" + name, os.O_WRONLY | os.O_NONBLOCK)
    return -1


def write(fd, data):
    try:
        os.write(fd, data)
    except OSError:
        pass


def frame(kind, number):
    header = json.dumps({"nonce": "0" * 32, "id": number, "ok": True}).encode()
    return struct.pack(">BII", kind, len(header), 6) + header + b"forged"


def read_all(environ):
    body = environ["wsgi.input"].read()
    return "%d %s" % (len(body), body[:32].decode("latin-1"))


def after_the_end(environ):
    told = read_all(environ)
    more = [environ["wsgi.input"].raw._upload.read_body() for _ in range(50)]
    return told if not any(more) else "more: %r" % more


def until_the_end(upload):
    try:
        while upload.read_body():
            pass
    except Exception:
        pass


def readers(environ):
    upload = environ["wsgi.input"].raw._upload
    threads = [threading.Thread(target=until_the_end, args=(upload,), daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    return threads


def many_at_once(environ):
    for thread in readers(environ):
        thread.join()
    return "read"


def does_not_wait(environ):
    readers(environ)
    return "read"


def own_replies(environ):
    requests = open_requests()
    for number in range(1, 20):
        write(requests, frame(9, number))
    return read_all(environ)


def own_requests(environ):
    write(open_requests(), frame(4, 1) + frame(2, 1))
    return read_all(environ)


WAYS = {
    "after the end": after_the_end,
    "many at once": many_at_once,
    "never": lambda environ: "read",
    "and does not wait": does_not_wait,
    "with replies of its own": own_replies,
    "with requests of its own": own_requests,
}


def application(environ, start_response):
    way = parse_qs(environ["QUERY_STRING"]).get("way", [None])[0]
    if way == "ways":
        text = json.dumps(list(WAYS))
    else:
        text = read_all(environ) if way is None else WAYS[way](environ)
    start_response("200 OK", [("content-type", "text/plain")])
    return [text.encode("latin-1")]
