"""Several calls of one shim, and what came for each."""
import json
import time

from shim_process import Shim


class Call:
    """One call: its frames but the host calls, in order; `takes` is whether pieces go on at once."""

    def __init__(self, nonce, takes):
        self.nonce, self.takes, self.frames, self.answer = nonce, takes, [], None

    @property
    def kinds(self):
        return [frame.kind for frame in self.frames]

    @property
    def output(self):
        """What it printed."""
        return b"".join(frame.body for frame in self.frames if frame.kind == "output").decode("utf-8")

    @property
    def pieces(self):
        """The pieces of its answer."""
        return [frame.body for frame in self.frames if frame.kind == "chunk" and frame.body]


class Calls(Shim):
    """A shim that may have several calls at once."""

    def __init__(self, files):
        super().__init__(files)
        self.calls = {}

    def load(self, **options):
        loaded = super().load(**dict({"concurrency": 8}, **options))
        if loaded.kind != "loaded":
            raise AssertionError("%r %r" % (loaded.header, self.logs))
        return loaded

    def start(self, value=None, takes=True, **options):
        """Has the handler called, and doesn't wait."""
        self._nonce += 1
        call = Call("%032x" % self._nonce, takes)
        self.calls[call.nonce] = call
        body = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8")
        head = dict(invocation_id="i-1", mode="raw", data="body", method="POST", path="/p/1/functions/greet", query="", headers=[],
                    timestamp="2026-01-31T00:00:00Z", timeout_ms=1000, deadline_ms=int(time.time() * 1000) + 60000,
                    max_response_bytes=1 << 20, nonce=call.nonce)
        head.update(options)
        self.write("invoke", head, body)
        return call

    def taken(self, call):
        """A piece of the call's answer has gone on."""
        self.write("taken", {"nonce": call.nonce})

    def until(self, is_so):
        """Gives each frame to its call until `is_so()`."""
        while not is_so():
            frame = self.read()
            if frame.kind == "end":
                raise AssertionError("the shim has ended: %r" % self.logs)
            call = self.calls[frame.header["nonce"]]
            if call.answer is not None:
                raise AssertionError("%s after the answer" % frame.kind)
            if frame.kind == "call":
                self.on_call(frame)
                continue
            call.frames.append(frame)
            if frame.kind == "failure" or frame.header.get("last") or frame.kind == "result" and not frame.header.get("is_streamed"):
                call.answer = frame
            elif frame.kind == "chunk" and call.takes:
                self.taken(call)

    def answer(self, *calls):
        """The answer of a call, or those of all."""
        self.until(lambda: all(call.answer is not None for call in calls))
        return calls[0].answer if len(calls) == 1 else [call.answer for call in calls]
