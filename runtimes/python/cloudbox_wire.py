"""Frames over two private descriptors: see ../PROTOCOL.md. Reads and writes block."""
import os
import struct
from collections import deque

HELLO, LOAD, LOADED, INVOKE, RESULT, FAILURE, LOG, CALL, REPLY, CHUNK, TAKEN, OUTPUT = range(1, 13)

_STEP = 64 << 10
PREFIX = struct.Struct(">BII")
_PREFIX_LEN = PREFIX.size

# User code may replace functions of shared modules; these are the ones the shim was started with.
_read, _write = os.read, os.write
_pack, _unpack = PREFIX.pack, PREFIX.unpack_from


def pause():
    """A millisecond: what to do where a descriptor was made non-blocking behind our back."""
    import select

    select.select([], [], [], 0.001)


def framed(kind, header, body=b""):
    """A frame's bytes; `header` is JSON as bytes."""
    return _pack(kind, len(header), len(body)) + header + body


class Ended(EOFError):
    """The other end is gone."""


class Wire:
    """The shim's end of the two pipes."""

    def __init__(self, requests, answers):
        self.requests = requests
        self.answers = answers
        self._inbox = b""
        self._returned = None
        self._outbox = deque()
        self._is_sending = False

    def _some(self):
        """At least one byte."""
        while True:
            try:
                piece = _read(self.requests, _STEP)
            except BlockingIOError:
                pause()
                continue
            if not piece:
                raise Ended()
            return piece

    def read(self):
        """Waits for a frame: `(kind, header, body)`, the header as bytes."""
        if self._returned is not None:
            frame, self._returned = self._returned, None
            return frame
        data = self._inbox or self._some()
        while len(data) < _PREFIX_LEN:
            data += self._some()
        kind, header_len, body_len = _unpack(data)
        body_at = _PREFIX_LEN + header_len
        end = body_at + body_len
        if len(data) < end:
            pieces, have = [data], len(data)
            while have < end:
                pieces.append(self._some())
                have += len(pieces[-1])
            data = b"".join(pieces)
        self._inbox = data[end:]
        return kind, data[_PREFIX_LEN:body_at], data[body_at:end]

    def has_more(self):
        """Whether a frame, or its beginning, was read together with the last one."""
        return bool(self._inbox)

    def give_back(self, frame):
        """Has the next read bring this frame again."""
        self._returned = frame

    def send(self, kind, header, body=b""):
        """Sends a frame in one write. One thread at a time, whose own signals and finalizers may
        send while it does: theirs follow."""
        self._outbox.append(framed(kind, header, body))
        if self._is_sending:
            return
        self._is_sending = True
        try:
            while self._outbox:
                self._write(self._outbox.popleft())
        finally:
            self._is_sending = False

    def _write(self, frame):
        at = 0
        while at < len(frame):
            try:
                at += _write(self.answers, frame[at:] if at else frame)
            except BlockingIOError:
                pause()
