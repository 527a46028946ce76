"""A real shim over real pipes, for the tests."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time

KINDS = ["", "hello", "load", "loaded", "invoke", "result", "failure", "log", "call", "reply", "chunk", "taken", "output"]
SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shim.py")


class Answer:
    """One frame from the shim, and the log frames before it."""

    def __init__(self, kind, header, body, lines):
        self.kind, self.header, self.body, self.lines = kind, header, body, lines

    @property
    def json(self):
        """The body's value."""
        return json.loads(self.body.decode("utf-8"))


class Shim:
    """A shim with some files as its code; a text alone is `index.py`."""

    def __init__(self, files):
        self._folder = tempfile.TemporaryDirectory()
        self.code_dir = self._folder.name
        for name, text in ({"index.py": files} if isinstance(files, str) else files).items():
            path = os.path.join(self.code_dir, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        request, self._requests = os.pipe()
        self._answers, answer = os.pipe()
        logs, log = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", SHIM], stdin=request, stdout=answer, stderr=log)
        for fd in (request, answer, log):
            os.close(fd)
        self.logs = b""
        self._reader = threading.Thread(target=self._collect, args=(logs,))
        self._reader.start()
        self._nonce = 0
        # What the shim says where it is ready for another call, in front of which it has to come.
        self.loaded = None
        self._is_answered = False
        # What is done for a host call.
        self.on_call = lambda call: self.reply(call, call.json)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        os.close(self._answers)
        self._folder.cleanup()

    def _collect(self, fd):
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            self.logs += piece
        os.close(fd)

    def end(self):
        """Ends the requests, waits for the process, and gives its exit code."""
        if self._requests is not None:
            os.close(self._requests)
            self._requests = None
        code = self.process.wait()
        self._reader.join()
        return code

    def _exactly(self, length):
        data = b""
        while len(data) < length:
            piece = os.read(self._answers, length - len(data))
            if not piece:
                return None
            data += piece
        return data

    def read(self):
        """The next frame, or one of kind `end`."""
        prefix = self._exactly(9)
        if prefix is None:
            return Answer("end", None, b"", [])
        kind, header_len, body_len = struct.unpack(">BII", prefix)
        header = json.loads(self._exactly(header_len).decode("utf-8"))
        return Answer(KINDS[kind], header, self._exactly(body_len), [])

    def exchange(self, kind, header, body=b"", after=lambda: None):
        """Sends a request, and does `after()`; the answer has the log frames that came before it."""
        self.settle()
        self._nonce += 1
        nonce = "%032x" % self._nonce
        self.write(kind, dict(header, nonce=nonce), body)
        after()
        lines = []
        while True:
            answer = self.read()
            if answer.kind != "end" and answer.header["nonce"] != nonce:
                raise AssertionError("an answer to another request: %r" % answer.header)
            if answer.kind == "call":
                self.on_call(answer)
                continue
            if answer.kind != "log":
                answer.lines = lines
                self._is_answered = kind == "invoke"
                return answer
            lines.append(answer.header)

    def write(self, kind, header, body=b""):
        """Writes a frame."""
        head = json.dumps(header).encode("utf-8")
        data = struct.pack(">BII", KINDS.index(kind), len(head), len(body)) + head + body
        while data:
            data = data[os.write(self._requests, data):]

    def reply(self, call, value, ok=True):
        """Answers a host call."""
        header = {"nonce": call.header["nonce"], "id": call.header["id"], "ok": ok}
        self.write("reply", header, value if isinstance(value, bytes) else json.dumps(value).encode("utf-8"))

    def load(self, **options):
        """Waits for hello and has the code loaded."""
        hello = self.read()
        if hello.kind != "hello":
            raise AssertionError("%s in place of hello: %r" % (hello.kind, self.logs))
        head = dict(code_dir=self.code_dir, main="index.py", entry_point="handler", handler_style="auto", env={"SECRET": "x"},
                    function=dict(id=7, name="greet", project_id=1, version=2, memory_mb=128))
        head.update(options)
        self.loaded = self.exchange("load", head)
        return self.loaded

    def settle(self):
        """Where calls have processes of their own: waits until that of the last one is gone; whether it went in order."""
        if self._is_answered and self.loaded.header.get("is_forked"):
            self._is_answered = False
            said = self.read()
            if said.kind != "end" and (said.kind, said.header) != ("loaded", self.loaded.header):
                raise AssertionError("%s %r in place of loaded" % (said.kind, said.header))
            return said.kind == "loaded"
        return True

    def invoke(self, value=None, after=lambda: None, **options):
        """Has the handler called; `value` is bytes, or is sent as JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8")
        head = dict(invocation_id="i-1", mode="raw", data="body", method="POST", path="/p/1/functions/greet", query="", headers=[],
                    timestamp="2026-01-31T00:00:00Z", timeout_ms=1000, deadline_ms=int(time.time() * 1000) + 60000,
                    max_response_bytes=1 << 20)
        head.update(options)
        return self.exchange("invoke", head, body, after)
