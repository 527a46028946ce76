"""Several calls at once, in one event loop: see "Several calls at once" in ../PROTOCOL.md.

Each call is a task. The loop reads the requests; while it is blocked by a coroutine that waits for a host call without `await`, whoever
waits reads, and what is no reply comes to the loop when it goes on.
"""
import asyncio
import contextvars
import threading
from collections import deque

import cloudbox_answer as answer
import cloudbox_event as event
import cloudbox_forms as forms
import cloudbox_survivors as survivors
from cloudbox_calls import Call
from cloudbox_wire import CALL, CHUNK, FAILURE, INVOKE, LOG, REPLY, RESULT, TAKEN

host = forms.own_module("cloudbox_host")
pieces = forms.own_module("cloudbox_pieces")

# Pieces of an answer that may be on their way.
_WINDOW = 2
# Turns of the loop in which tasks that were told to end do so.
_TURNS = 3


class _Stream(pieces.Stream):
    """The answer of one call, in pieces, of which few are on their way: who adds some waits with `await stream.wait()`."""

    __slots__ = ("_queue", "_on_way", "_waiters", "_is_ended")
    has_window = True

    def __init__(self, head, send):
        super().__init__(head, send, (RESULT, CHUNK))
        self._queue, self._on_way, self._waiters, self._is_ended = deque(), 0, [], False

    def _send_piece(self, header, piece):
        self._queue.append((header, piece))
        self._send_some()

    def _send_some(self):
        while self._queue and self._on_way < _WINDOW:
            self._on_way += 1
            self._send(CHUNK, *self._queue.popleft())
        if not self._queue:
            for one in self._waiters:
                if not one.done():
                    one.set_result(None)
            del self._waiters[:]

    async def wait(self):
        """Waits until all pieces are on their way."""
        while self._queue:
            one = asyncio.get_event_loop().create_future()
            self._waiters.append(one)
            await one
        if self._is_ended:
            raise answer.Unfit("the call is over, and nobody takes more of its answer")

    def taken(self):
        """A piece has gone on."""
        self._on_way -= 1
        self._send_some()

    def end(self):
        """The call is over: no more is sent."""
        self._is_ended = True
        self._queue.clear()
        self._send_some()


class _HostCalls(host.HostCalls):
    """The host calls of all calls together; with the replies come the requests, which `take(kind, head, body)` gets in the loop."""

    def __init__(self, wire, calls, loop, take):
        super().__init__(wire, self._put, answer.dumps, event.loads)
        # One lock with the wire's: a finalizer that makes a host call in the middle of a print can't wait for who waits for it.
        self._changed = threading.Condition(wire.order)
        self._calls, self._loop, self._take_request = calls, loop, take
        self.context = contextvars.copy_context()
        self._requests = deque()
        # The thread of the loop, while it reads because there is something to read.
        self._attending = None
        self._attend(loop, 1)
        if wire.has_more():
            loop.call_soon(self._on_readable)

    def tell_end(self, call):
        """The handler has returned: whoever still waits is told. Whether a coroutine does. The service counts them until the answer."""
        call.is_over = True
        if not self._in_flight and not self._waiting:
            return False
        with self._changed:
            left = [one for one in list(self._in_flight.values()) + list(self._waiting) if one.nonce == call.nonce]
            self._waiting = deque(one for one in self._waiting if one.nonce != call.nonce)
            for one in left:
                one.settle(None, host.no_call(one.method))
            self._changed.notify_all()
        return any(one.tell is not None for one in left)

    def free(self, call):
        """The call is answered, and its host calls count no longer."""
        if not self._in_flight and not self._waiting:
            return
        with self._changed:
            for number in [number for number, one in self._in_flight.items() if one.nonce == call.nonce]:
                self._bytes -= len(self._in_flight.pop(number).body)
            self._send_some()
        self._wire.drain()

    def call(self, nonce, method, args, is_raw=False):
        try:
            return super().call(nonce, method, args, is_raw)
        finally:
            self._wire.drain()

    def _is_running(self, nonce):
        call = self._calls.get(nonce)
        return call is not None and not call.is_over

    def _put(self, nonce, header, body):
        call = self._calls.get(nonce)
        return call is not None and self._wire.put(call, CALL, header, body)

    def _begin(self, nonce, method, args, tell, is_raw):
        one = super()._begin(nonce, method, args, tell, is_raw)
        self._wire.drain()
        return one

    def _read(self, timeout):
        if self._wire.is_forked():
            host._exit(0)
        self._wire.drain()
        return super()._read(timeout)

    def _take(self, kind, head, body):
        if kind == REPLY:
            super()._take(kind, head, body)
            return
        self._requests.append((kind, head, body))
        if self._attending != host._ident():
            # The loop is blocked, or another thread reads.
            self._loop.call_soon_threadsafe(self._serve, context=self.context)

    def _serve(self):
        while self._requests:
            self._take_request(*self._requests.popleft())

    def _on_readable(self):
        self._attending = host._ident()
        try:
            super()._on_readable()
        finally:
            self._attending = None
            self._wire.drain()
            self._serve()


class Several:
    """The calls of a process. `shim` has what they have in common with single ones: `answered`, `flush`, `leave`."""

    def __init__(self, shim, wire, function, loop):
        self._shim, self._wire, self._function, self._loop = shim, wire, function, loop
        self._running = {}
        self._host_calls = _HostCalls(wire, self._running, loop, self._take)

    def serve(self):
        """Answers calls until the requests end, and with them the process."""
        while True:
            try:
                self._loop.run_forever()
            except SystemExit as request:
                self._shim.leave(request)
            except BaseException as error:  # From a signal, or KeyboardInterrupt in a task of the code's own.
                self._fail_all(error)

    def host_calls(self):
        """The host calls of this process."""
        return self._host_calls

    def _take(self, kind, head, body):
        call = self._running.get(head["nonce"])
        if kind == INVOKE:
            call = self._running[head["nonce"]] = Call(head["nonce"])
            context = call.context()
            call.task = context.run(self._loop.create_task, self._run(call, head, body))
            call.task.add_done_callback(lambda task: self._end(call, _TURNS), context=self._host_calls.context)
        elif kind == TAKEN:
            # The last pieces of an answer may go on when it is over.
            if call is not None and call.stream is not None:
                call.stream.taken()
        else:
            raise RuntimeError("a frame of kind %d out of turn" % kind)

    async def _run(self, call, head, body):
        """Calls the handler; the frame that answers is left with the call."""
        try:
            call.frame = await self._invoke(call, head, body)
        except BaseException as error:
            call.frame = self._failure(call, error)
        self._shim.flush()

    async def _invoke(self, call, head, body):
        function, nonce = self._function, call.nonce
        if function.missing:
            return function.missing_frame(nonce)

        def write_log(level, message, fields):
            self._shim.flush()
            self._send(call, LOG, answer.log_header(nonce, level, message, fields))

        if head.get("may_stream"):
            call.stream = _Stream(head, lambda kind, header, body: self._send(call, kind, header, body))
        given = function.event_of(head, body, write_log, self._shim.Host(nonce, self.host_calls), call.stream)
        value = function.call(function.handler, given)
        if hasattr(type(value), "__await__"):
            value = await value
        if isinstance(value, dict) and "statusCode" in value and answer.has_pieces(value):
            value = pieces.take(head, value, call.stream)
            if hasattr(type(value), "__await__"):
                value = await value
        if call.stream is not None and call.stream.is_begun:
            await call.stream.wait()
            return pieces.last_frame(CHUNK, nonce)
        return (RESULT,) + answer.result(head, value)

    def _failure(self, call, error):
        def again():
            raise error

        frame = self._shim.answered(call.nonce, again)
        if call.stream is not None and call.stream.is_begun:
            return pieces.last_frame(CHUNK, call.nonce, frame[1])
        return frame

    def _send(self, call, kind, header, body=b""):
        if self._wire.put(call, kind, header, body):
            self._wire.drain()

    def _end(self, call, turns):
        """The handler has returned. What it told to end has some turns of the loop to do so, where it matters."""
        if call.is_answered:
            return
        if call.frame is None:
            # Its task was cancelled before it began.
            call.frame = self._failure(call, asyncio.CancelledError())
        has_left = self._host_calls.tell_end(call)
        frame = self._told(call)
        if turns > 0 and (has_left or frame is not call.frame):
            self._loop.call_soon(self._end, call, turns - 1, context=self._host_calls.context)
            return
        self._answer(call, frame)

    def _told(self, call):
        """The frame that answers, with what is left, where no other call runs."""
        return call.frame if len(self._running) > 1 else survivors.told_in(call.frame, self._loop)

    def _answer(self, call, frame):
        self._wire.put(call, *frame, is_answer=True)
        del self._running[call.nonce]
        self._wire.drain()
        self._host_calls.free(call)
        if call.stream is not None:
            call.stream.end()

    def _fail_all(self, error):
        """Nobody knows whose it was, and any call may wait for ever now."""
        survivors.distrust()
        if not self._running:
            self._shim.flush()
        for call in list(self._running.values()):
            call.frame = self._failure(call, error)
            self._host_calls.tell_end(call)
            self._answer(call, self._told(call))
