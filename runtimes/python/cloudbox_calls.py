"""Calls that run beside each other: whose a frame is, and whose a print. See "Several calls at once" in ../PROTOCOL.md.

Loaded before the code, which may keep `sys.stdout` or `sys.stderr` from then on. The code of a call is told by its context,
a `contextvars` one. Finalizers and handlers of signals may run in the middle of anything: there is one lock for all that is held for
moments, and it may be taken twice; frames wait in a queue, and whoever comes to send while another thread does leaves them to that one.
"""
import _thread
import contextvars
import io
import os
import sys

from cloudbox_wire import OUTPUT, Wire, framed, pause

# Bytes of one frame with what was printed.
_MAX_OUTPUT = 64 << 10
# Frames that may wait before who adds one has to wait too, and how often it looks, in seconds.
_MAX_QUEUE = 256
_LOOK = 0.05

# User code may replace functions of shared modules; these are the ones the shim was started with.
_getpid, _exit, _write = os.getpid, os._exit, os.write

_HERE = contextvars.ContextVar("cloudbox_call", default=None)


class Call:
    """One call: its nonce, whether it has its answer, and what it printed of a line."""

    __slots__ = ("nonce", "is_over", "is_answered", "line", "stream", "task", "frame")

    def __init__(self, nonce):
        self.nonce = nonce
        self.is_over = self.is_answered = False
        self.line = bytearray()
        self.stream = self.task = self.frame = None

    def context(self):
        """A context of its own, like the present one."""
        context = contextvars.copy_context()
        context.run(_HERE.set, self)
        return context


class SharedWire(Wire):
    """The pipes of a process that answers several calls at once. Any thread may send."""

    def __init__(self, wire):
        super().__init__(wire.requests, wire.answers)
        self._inbox, self._returned = wire._inbox, wire._returned
        self._pid = _getpid()
        # Held for moments: that a call has no answer yet is still so when its frame is in the queue.
        self.order = _thread.RLock()
        self._turn = _thread.allocate_lock()
        self._at = 0

    def is_forked(self):
        """Whether this is a process that the author's code forked: it has nothing to say here."""
        return _getpid() != self._pid

    def send(self, kind, header, body=b""):
        """Sends a frame that is no call's."""
        with self.order:
            self._add(kind, header, body)
        self.drain()

    def put(self, call, kind, header, body=b"", is_answer=False):
        """Has a frame of a call sent by the next `drain`, behind what the call printed; whether it had no answer yet."""
        if self.is_forked():
            if is_answer:
                _exit(0)
            return False
        with self.order:
            if call.is_answered:
                return False
            self._flush(call)
            call.is_answered = is_answer
            self._add(kind, header, body)
        return True

    def print(self, data):
        """Takes what was printed, a line at a time; false where that was in the context of no call that runs."""
        call = _HERE.get()
        if call is None or self.is_forked():
            return False
        with self.order:
            if call.is_answered:
                return False
            call.line += data
            is_whole = b"\n" in bytes(data) or len(call.line) >= _MAX_OUTPUT
            if is_whole:
                self._flush(call)
        if is_whole:
            self.drain()
        return True

    def flush(self):
        """Sends what the call of this context has printed of a line."""
        call = _HERE.get()
        if call is not None and call.line and not self.is_forked():
            with self.order:
                if not call.is_answered:
                    self._flush(call)
            self.drain()

    def _flush(self, call):
        if not call.line:
            return
        data, call.line = bytes(call.line), bytearray()
        header = b'{"nonce":"%s"}' % call.nonce.encode("ascii")
        for at in range(0, len(data), _MAX_OUTPUT):
            self._add(OUTPUT, header, data[at : at + _MAX_OUTPUT])

    def _add(self, kind, header, body):
        self._outbox.append(framed(kind, header, body))

    def drain(self):
        """Sends what waits, unless another thread, or this one further down, does."""
        if len(self._outbox) > _MAX_QUEUE and self._turn.acquire(True, _LOOK):
            # It was another thread's: now it is slowed down to what the service takes.
            self._turn.release()
        while self._outbox and self._turn.acquire(False):
            try:
                while self._outbox:
                    self._write_rest(self._outbox[0])
                    self._outbox.popleft()
                    self._at = 0
            finally:
                self._turn.release()

    def _write_rest(self, frame):
        while self._at < len(frame):
            try:
                self._at += _write(self.answers, frame[self._at :] if self._at else frame)
            except BlockingIOError:
                pause()
            except BrokenPipeError:  # The service is gone.
                _exit(0)


class _Printed(io.RawIOBase):
    """What is below `sys.stdout` or `sys.stderr`: it sends what a call prints, and writes all else to the log pipe, by lines."""

    def __init__(self, name, fd, wire):
        super().__init__()
        self.name = "<%s>" % name
        self._fd, self._wire, self._line = fd, wire, bytearray()

    def write(self, data):
        if not self._wire.print(data):
            with self._wire.order:
                self._line += data
                is_whole = b"\n" in bytes(data) or len(self._line) >= _MAX_OUTPUT
            if is_whole:
                self._write_line()
        return len(data)

    def _write_line(self):
        with self._wire.order:
            rest, self._line = bytes(self._line), bytearray()
        while rest:
            try:
                rest = rest[_write(self._fd, rest) :]
            except BlockingIOError:
                pause()

    def flush(self):
        self._wire.flush()
        if self._line:
            self._write_line()

    def writable(self):
        return True

    def fileno(self):
        return self._fd


def take_prints(wire):
    """Puts streams in the place of `sys.stdout` and `sys.stderr` that know whose call it is that prints."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(_Printed(name, fd, wire), encoding="utf-8", errors="backslashreplace", write_through=True)
        stream.mode = "w"
        setattr(sys, name, stream)
