"""A process for each call: forked from the one that has loaded the code, and gone when the call is answered.

The child answers the service itself. Its parent waits for it, hands on the replies to its host calls, and takes the next
request only when it is gone; a child that ends
without an answer takes its parent along, so that the service sees an end of the very kind. The parent's memory and
descriptors are out of the children's reach: none finds another call's request there, nor a way to answer in its place.
"""
import os
import select
import signal
import sys
import warnings

from cloudbox_wire import REPLY, Ended, Wire

_PR_SET_DUMPABLE = 4
# Milliseconds after which a child is looked for whose own children hold its descriptors.
_LOOK = 100

# User code may replace functions of shared modules; these are the ones the shim was started with.
_fork, _wait, _read, _write, _close = os.fork, os.waitpid, os.read, os.write, os.close
_exit, _kill, _getpid = os._exit, os.kill, os.getpid
_exit_code, _is_signaled, _signal_of = os.WEXITSTATUS, os.WIFSIGNALED, os.WTERMSIG
_set_handler, _unblock = signal.signal, signal.pthread_sigmask


class Forker:
    """Made in the parent, once the code is loaded. `wire` is the parent's."""

    def __init__(self, wire):
        try:
            # The part of ctypes in C: a tenth of what importing all of it takes.
            import _ctypes
        except ImportError as error:
            raise RuntimeError("isolation \"process\" needs a Python with ctypes, which this one lacks: %s" % error) from None
        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        self._set_dumpable = lambda value: _ctypes.call_function(address, (_PR_SET_DUMPABLE, value, 0, 0, 0))
        self._wire = wire
        # A child leaves a mark when it has answered.
        self._marks, self._mark = os.pipe()
        os.set_blocking(self._marks, False)
        # Python warns of threads that the child won't have; the author can't do without the fork.
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        self._set_dumpable(0)

    def call(self, work):
        """Has `work(replies)` done in a child, and waits for its end."""
        replies, relay = os.pipe()
        pid = _fork()
        if pid == 0:
            self._be_child(work, replies, relay)
        _close(replies)
        try:
            self._hand_on(relay, pid)
        except Ended:  # The service is gone. A child that waits for a reply learns it from the end of the relay.
            pass
        _close(relay)
        try:
            status = _wait(pid, 0)[1]
        except ChildProcessError:  # The code ignores SIGCHLD, so that nobody learns how its children end.
            status = 0
        try:
            _read(self._marks, 1 << 16)
        except BlockingIOError:
            _end_as(status)

    def _hand_on(self, relay, pid):
        """Gives the child its replies, until it has answered or has ended: then nobody reads the relay any more."""
        poll = select.poll()
        poll.register(relay, 0)
        poll.register(self._marks, select.POLLIN)
        poll.register(self._wire.requests, select.POLLIN)
        out = Wire(None, relay)
        while True:
            ready = [fd for fd, _ in poll.poll(_LOOK)]
            if relay in ready or self._marks in ready or not ready and _has_ended(pid):
                return
            if self._wire.requests in ready and not self._hand_on_some(out):
                poll.unregister(self._wire.requests)

    def _hand_on_some(self, out):
        """Whether more replies may come."""
        is_first = True
        while is_first or self._wire.has_more():
            is_first = False
            kind, header, body = frame = self._wire.read()
            if kind != REPLY:
                # The next request: the child has answered, and is about to end.
                self._wire.give_back(frame)
                return False
            try:
                out.send(kind, header, body)
            except BrokenPipeError:
                return False
        return True

    def _be_child(self, work, replies, relay):
        try:
            _close(self._wire.requests)
            _close(relay)
            self._set_dumpable(1)
            # The modules that Python has of its own see to it themselves.
            numpy_random = sys.modules.get("numpy.random")
            if numpy_random is not None:
                numpy_random.seed()
            work(replies)
            _write(self._mark, b".")
        finally:
            _exit(0)


def _has_ended(pid):
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _end_as(status):
    """Ends this process as its child ended."""
    if _is_signaled(status):
        number = _signal_of(status)
        try:
            _set_handler(number, signal.SIG_DFL)
        except OSError:  # SIGKILL has no handler.
            pass
        _unblock(signal.SIG_UNBLOCK, [number])
        _kill(_getpid(), number)
    _exit(_exit_code(status))
