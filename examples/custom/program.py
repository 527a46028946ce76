"""A program that speaks the protocol by itself: all that a custom image needs. See docs/IMAGES.md.

Frames on stdin and stdout: one byte of kind, two lengths of four bytes (big-endian), a JSON header, a body of bytes.
"""

import json
import os
import struct
import sys

HELLO, LOAD, LOADED, INVOKE, RESULT = 1, 2, 3, 4, 5

# Own copies, so that whatever prints to 0 to 2 prints into the logs.
requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)


def read():
    start = requests.read(9)
    if len(start) < 9:
        sys.exit(0)
    kind, header, body = struct.unpack(">BII", start)
    return kind, json.loads(requests.read(header)), requests.read(body)


def write(kind, header, body=b""):
    text = json.dumps(header).encode()
    answers.write(struct.pack(">BII", kind, len(text), len(body)) + text + body)
    answers.flush()


def handle(request, body):
    print("called by", request["method"], flush=True)
    data = json.loads(body) if body else request["query"]
    return {"greeting": os.environ.get("GREETING", "hello"), "data": data}


write(HELLO, {"protocol": 1, "runtime": "custom", "version": "1"})
while True:
    kind, header, body = read()
    if kind == LOAD:
        os.environ.update(header["env"])
        os.chdir(header["code_dir"])
        write(LOADED, {"nonce": header["nonce"], "handler_style": "data"})
    elif kind == INVOKE:
        answer = json.dumps(handle(header, body)).encode()
        headers = [["content-type", "application/json"]]
        write(RESULT, {"nonce": header["nonce"], "status": 200, "headers": headers}, answer)
