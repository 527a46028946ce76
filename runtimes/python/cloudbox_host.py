"""Host calls: what a running handler asks of the service, and the replies. See ../PROTOCOL.md.

Any thread and any event loop may call. Replies come over the pipe of the requests, which nobody else reads while a handler
runs: one of the threads that wait reads for all, and an event loop reads when there is something. At the end of the call
all of them have left, since the next request comes over the same pipe.
"""
import os
import select
import threading
from collections import deque

# As the service has them: what goes beyond is held back here.
_MAX_IN_FLIGHT = 64
_MAX_IN_FLIGHT_BYTES = 8 << 20
_MAX_ARGUMENT_BYTES = 1 << 20

_write, _exit, _ident = os.write, os._exit, threading.get_ident


class HostCallError(Exception):
    """A host call has no result; `code` is for programs."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class _Call:
    __slots__ = ("nonce", "method", "body", "tell", "is_raw", "is_done", "value", "error")

    def __init__(self, nonce, method, body, tell, is_raw):
        self.nonce, self.method, self.body, self.tell, self.is_raw = nonce, method, body, tell, is_raw
        self.is_done, self.value, self.error = False, None, None

    def settle(self, value, error):
        """Ends it; `tell` reaches an event loop that waits."""
        self.is_done, self.value, self.error = True, value, error
        if self.tell is not None:
            self.tell()

    def outcome(self):
        """The result, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value


class HostCalls:
    """The host calls of a process. `send(nonce, header, body)` sends a call; `wire` is where replies come from."""

    def __init__(self, wire, send, dumps, loads):
        self._wire, self._send, self._dumps, self._loads = wire, send, dumps, loads
        self._nonce = None
        self._last = 0
        self._bytes = 0
        self._in_flight = {}
        self._waiting = deque()
        self._changed = threading.Condition()
        self._is_reading = False
        # Which thread does.
        self._reader = None
        # Wakes up the thread that reads.
        self._woken, self._wake = os.pipe()
        self._loops = {}

    def begin(self, nonce):
        """From now on calls are made for this exchange."""
        self._nonce = nonce

    def call(self, nonce, method, args, is_raw=False):
        """Asks the service for `method`, and waits for the result, which is bytes where `is_raw` says so."""
        if self._reader == _ident():
            # It would wait for what it reads itself.
            raise HostCallError("%s: this thread waits for another host call, and a signal has interrupted it" % method, "NESTED_CALL")
        one = self._begin(nonce, method, args, None, is_raw)
        with self._changed:
            while not one.is_done:
                if self._is_reading:
                    self._changed.wait()
                else:
                    self._lead(None)
        return one.outcome()

    async def call_async(self, nonce, method, args, is_raw=False):
        """The same for coroutines."""
        import asyncio

        loop = asyncio.get_event_loop()
        future = loop.create_future()

        def finish():
            if not future.done():
                future.set_result(None)

        def tell():
            try:
                loop.call_soon_threadsafe(finish)
            except RuntimeError:  # The loop is closed: nobody waits any more.
                pass

        one = self._begin(nonce, method, args, tell, is_raw)
        self._attend(loop, 1)
        try:
            await future
        finally:
            self._attend(loop, -1)
        return one.outcome()

    def end(self):
        """The handler has returned: whoever still waits is told. Whether a coroutine does."""
        with self._changed:
            nonce, self._nonce = self._nonce, None
            left = list(self._in_flight.values()) + list(self._waiting)
            self._in_flight.clear()
            self._waiting.clear()
            self._bytes = 0
            for one in left:
                one.settle(None, no_call(one.method))
            self._changed.notify_all()
            if nonce is not None and self._is_reading:
                _write(self._wake, b".")
            while self._is_reading:
                self._changed.wait()
        for loop in list(self._loops):
            self._attend(loop, -self._loops[loop])
        return any(one.tell is not None for one in left)

    def _begin(self, nonce, method, args, tell, is_raw):
        body = self._dumps(args)
        if len(body) > _MAX_ARGUMENT_BYTES:
            why = "%s: the arguments have %d bytes, the limit is %d" % (method, len(body), _MAX_ARGUMENT_BYTES)
            raise HostCallError(why, "ARGUMENTS_TOO_LARGE")
        one = _Call(nonce, method, body, tell, is_raw)
        with self._changed:
            if not self._is_running(nonce):
                raise no_call(method)
            self._waiting.append(one)
            self._send_some()
        return one

    def _is_running(self, nonce):
        return nonce is not None and nonce == self._nonce

    def _send_some(self):
        while self._waiting and len(self._in_flight) < _MAX_IN_FLIGHT:
            one = self._waiting[0]
            if self._bytes + len(one.body) > _MAX_IN_FLIGHT_BYTES:
                return
            self._waiting.popleft()
            self._last += 1
            self._in_flight[self._last] = one
            self._bytes += len(one.body)
            header = self._dumps({"nonce": one.nonce, "id": self._last, "method": str(one.method)})
            if not self._send(one.nonce, header, one.body):
                self._settle(self._last, None, no_call(one.method))

    def _lead(self, timeout):
        """Reads for all who wait, once; the lock is held before and after, not while it waits."""
        self._is_reading, self._reader = True, _ident()
        self._changed.release()
        frames = []
        try:
            frames = self._read(timeout)
        except EOFError:  # The service is gone.
            _exit(0)
        finally:
            self._changed.acquire()
            self._is_reading, self._reader = False, None
            for frame in frames:
                self._take(*frame)
            self._send_some()
            self._changed.notify_all()

    def _read(self, timeout):
        """The frames that are there, or come within `timeout` milliseconds; none where the end came first."""
        poll = select.poll()
        poll.register(self._wire.requests, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        if not self._wire.has_more():
            ready = [fd for fd, _ in poll.poll(timeout)]
            if self._woken in ready:
                os.read(self._woken, 1)
                return []
            if not ready:
                return []
        frames = []
        while not frames or self._wire.has_more():
            kind, header, body = self._wire.read()
            frames.append((kind, self._loads(header), body))
        return frames

    def _take(self, kind, header, body):
        number = header.get("id")
        one = self._in_flight.get(number)
        if one is None or one.nonce != header.get("nonce"):
            return
        if header.get("ok") and one.is_raw:
            self._settle(number, bytes(body), None)
            return
        try:
            value = self._loads(body) if body else None
        except ValueError as error:
            self._settle(number, None, HostCallError(str(error), "INVALID_REPLY"))
            return
        if header.get("ok"):
            self._settle(number, value, None)
        else:
            self._settle(number, None, HostCallError(value["message"], value["code"]))

    def _settle(self, number, value, error):
        one = self._in_flight.pop(number)
        self._bytes -= len(one.body)
        one.settle(value, error)

    def _attend(self, loop, change):
        """Has a loop look at the pipe while calls of its coroutines are under way."""
        before = self._loops.get(loop, 0)
        count = self._loops[loop] = max(0, before + change)
        if loop.is_closed():
            pass
        elif before == 0 and count > 0:
            loop.add_reader(self._wire.requests, self._on_readable)
        elif before > 0 and count == 0:
            loop.remove_reader(self._wire.requests)
        if count == 0:
            del self._loops[loop]

    def _on_readable(self):
        with self._changed:
            # A thread that reads does so for everybody.
            if not self._is_reading:
                self._lead(0)


def no_call(method):
    why = "a host call can be made only while a handler runs, for the call that it runs for"
    return HostCallError("%s: %s" % (method, why), "NO_CALL")
