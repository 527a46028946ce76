"""A process for each call: forked from the one that has loaded the code, ahead of the call, and gone when it is answered.

One waits for a call, takes it from the service itself, answers it itself, and ends. The next one is forked when the answer
is on its way: nobody waits then. The parent says `loaded` again when the first is gone.

There is one reader of requests at any time: the child that waits, until it has its own; the parent, where that child asks
for the replies to its host calls, until it has answered; then the next child. No code of a call runs in a process that has
them, and neither the parent's memory and descriptors nor those of a child that waits can be reached: none finds another
call's request there, nor a way to answer in its place. Replies that go through one of them to another call lie in one place,
which is cleared: the children to come are copies of that memory. A child that ends without an answer takes the parent along,
so that the service sees an end of the very kind.

What the parent does between two forks, and what it has mapped, each child pays for: a page that is written to after a fork
is copied.
"""
import os
import select
import signal
import sys
import warnings

from cloudbox_wire import INVOKE, PREFIX, REPLY, Ended, Wire, framed, pause

_PR_SET_DUMPABLE = 4
# Milliseconds after which a child is looked for whose own children hold its descriptors.
_LOOK = 500
# Bytes that are read at once, at most.
_STEP = 64 << 10
_ZEROS = bytes(_STEP)
# What a child tells its parent: it wants replies, it has answered.
_ASKS, _ANSWERED = b"?", b"."

# User code may replace functions of shared modules; these are the ones the shim was started with.
_fork, _wait, _read, _read_into, _write, _close = os.fork, os.waitpid, os.read, os.readv, os.write, os.close
_exit, _kill, _getpid, _poll, _IN = os._exit, os.kill, os.getpid, select.poll, select.POLLIN
_waitid, _pipe = os.waitid, os.pipe
_exit_code, _is_signaled, _signal_of = os.WEXITSTATUS, os.WIFSIGNALED, os.WTERMSIG
_set_handler, _unblock = signal.signal, signal.pthread_sigmask


class _Requests:
    """The pipe of requests: read frame by frame, and no byte beyond, since the next frame may be another process's."""

    def __init__(self, fd):
        self.fd = fd
        # Where a frame lies that is another call's.
        self._room = memoryview(bytearray(_STEP))

    def head(self):
        """Waits for a frame: its kind, and the lengths of its header and its body, which are still to be read."""
        at = 0
        while at < PREFIX.size:
            at += self._some(at, PREFIX.size)
        return PREFIX.unpack_from(self._room)

    def take(self, length):
        """The next bytes of the frame."""
        pieces = []
        while length:
            try:
                piece = _read(self.fd, min(length, _STEP))
            except BlockingIOError:
                pause()
                continue
            if not piece:
                raise Ended()
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def hand_on(self, left, fd=None):
        """Writes the frame whose head was read, and `left` bytes that follow it, to a descriptor, or nowhere. This process
        keeps none of it."""
        have = most = PREFIX.size
        while True:
            if fd is not None and not _is_taken(fd, self._room[:have]):
                fd = None
            if not left:
                break
            have = self._some(0, min(left, _STEP))
            most, left = max(most, have), left - have
        self._room[:most] = _ZEROS[:most]

    def _some(self, at, end):
        """Reads at least one byte into the room, and none beyond `end`; how many."""
        while True:
            try:
                count = _read_into(self.fd, (self._room[at:end],))
            except BlockingIOError:
                pause()
                continue
            if not count:
                raise Ended()
            return count


class _CallWire(Wire):
    """The wire of a child: who first wants a reply has the parent hand them on from then on."""

    def __init__(self, replies, answers, word):
        self._word, self._is_asked = word, False
        super().__init__(replies, answers)

    @property
    def requests(self):
        """Where replies come."""
        if not self._is_asked:
            self._is_asked = True
            _write(self._word, _ASKS)
        return self._replies

    @requests.setter
    def requests(self, fd):
        self._replies = fd


class Forker:
    """Made in the parent, before the code is loaded. `wire` is the parent's."""

    def __init__(self, wire):
        try:
            # The part of ctypes in C: a tenth of what importing all of it takes.
            import _ctypes
        except ImportError as error:
            raise RuntimeError("isolation \"process\" needs a Python with ctypes, which this one lacks: %s" % error) from None
        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        self._set_dumpable = lambda value: _ctypes.call_function(address, (_PR_SET_DUMPABLE, value, 0, 0, 0))
        self._requests, self._answers = _Requests(wire.requests), wire.answers
        # Python warns of threads that the child won't have; the author can't do without the fork.
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        self._set_dumpable(0)

    def begin(self, prepare, work):
        """Has the first child wait for a call. Each does `prepare()` before it waits, and then `work(header, body, wire)`."""
        self._prepare, self._work = prepare, work
        self._make()

    def serve(self, loaded):
        """Has one child after the other take a call; the frame `loaded` tells the service that the next one may come."""
        loaded, poll = memoryview(framed(*loaded)), _poll()
        try:
            while True:
                pid, words, replies = self._pid, self._words, self._replies
                poll.register(words, _IN)
                if not self._is_answered(poll, pid, words, replies):
                    _end_as(_reap(pid))
                poll.unregister(words)
                _close(words)
                _close(replies)
                self._make()
                _reap(pid)
                if not _is_taken(self._answers, loaded):
                    raise Ended()
        except Ended:  # The service is gone.
            _exit(0)

    def _make(self):
        words, word = _pipe()
        theirs, replies = _pipe()
        pid = _fork()
        if pid == 0:
            _close(words)
            _close(replies)
            self._be_child(theirs, word)
        _close(theirs)
        _close(word)
        self._pid, self._words, self._replies = pid, words, replies

    def _is_answered(self, poll, pid, words, replies):
        """Waits until the child has answered, or has ended without that. Hands on its replies, where it asks for them."""
        on_pipe = None
        try:
            while True:
                ready = poll.poll(_LOOK)
                if not ready and _has_ended(pid):
                    return False
                for fd, _ in ready:
                    if fd != words:
                        self._hand_on(replies)
                        continue
                    # One byte: there is an object for each that the call could write.
                    said = _read(words, 1)
                    if said != _ASKS:
                        return said == _ANSWERED
                    if on_pipe is None:
                        poll.register(self._requests.fd, _IN)
                        # A child that has ended takes no replies.
                        on_pipe = _set_handler(signal.SIGPIPE, signal.SIG_IGN) or signal.SIG_IGN
        finally:
            if on_pipe is not None:
                poll.unregister(self._requests.fd)
                _set_handler(signal.SIGPIPE, on_pipe)

    def _hand_on(self, replies):
        kind, header, body = self._requests.head()
        if kind != REPLY:
            raise RuntimeError("a frame of kind %d while a call runs" % kind)
        self._requests.hand_on(header + body, replies)

    def _be_child(self, replies, word):
        try:
            # The modules that Python has of its own see to it themselves.
            numpy_random = sys.modules.get("numpy.random")
            if numpy_random is not None:
                numpy_random.seed()
            self._prepare()
            kind, header, body = self._requests.head()
            while kind == REPLY:
                # To an earlier call, which has ended without waiting for it.
                self._requests.hand_on(header + body)
                kind, header, body = self._requests.head()
            if kind != INVOKE:
                raise RuntimeError("a frame of kind %d out of turn" % kind)
            frame = self._requests.take(header + body)
            _close(self._requests.fd)
            self._set_dumpable(1)
            self._work(frame[:header], frame[header:], _CallWire(replies, self._answers, word))
            _write(word, _ANSWERED)
        except Ended:  # The service is gone.
            pass
        finally:
            _exit(0)


def _is_taken(fd, view):
    """Writes all of it; false where nobody takes it."""
    try:
        while view:
            view = view[_write(fd, view):]
    except OSError:
        return False
    return True


def _reap(pid):
    """Waits for a child's end: its status."""
    try:
        return _wait(pid, 0)[1]
    except ChildProcessError:  # The code ignores SIGCHLD, so that nobody learns how its children end.
        return 0


def _has_ended(pid):
    try:
        return _waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
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
