"""A process for each call: forked from the one that has loaded the code, ahead of the call, and gone when it is answered.

Two descend from the parent at most: the one that has the call, and the one that waits for the next. That one is forked while
the first works, so that no call waits for a fork. It takes the request from the service itself, answers it itself, and
ends; the parent hands on the replies to its host calls, and says `loaded` again when it is gone.

There is one reader of requests at any time: the child from its turn to its request, then the parent, until that child is
gone. No code of a call runs in a process that has them, and neither the parent's memory and descriptors nor those of a
child that waits can be reached: none finds another call's request there, nor a way to answer in its place. Replies that go
through one of them to another call lie in one place, which is cleared: the children to come are copies of that memory. A
child that ends without an answer takes the parent along, so that the service sees an end of the very kind.
"""
import _socket  # `socket` takes a while to import.
import os
import select
import signal
import sys
import warnings

from cloudbox_wire import INVOKE, PREFIX, REPLY, Ended, pause

_PR_SET_DUMPABLE = 4
# Milliseconds after which a child is looked for whose own children hold its descriptors.
_LOOK = 100
# Bytes that are read at once, at most.
_STEP = 64 << 10
_ZEROS = bytes(_STEP)
# What parent and child tell each other: it is the child's turn, it has its request, it has answered.
_TURN, _TAKEN, _ANSWERED = b"g", b"t", b"."

# User code may replace functions of shared modules; these are the ones the shim was started with.
_fork, _wait, _read, _read_into, _write, _close = os.fork, os.waitpid, os.read, os.readv, os.write, os.close
_exit, _kill, _getpid, _poll = os._exit, os.kill, os.getpid, select.poll
_waitid, _pair, _set_blocking = os.waitid, _socket.socketpair, os.set_blocking
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
        keeps none of it. Whether it was taken."""
        have = most = PREFIX.size
        while True:
            if fd is not None and not _is_taken(fd, self._room[:have]):
                fd = None
            if not left:
                break
            have = self._some(0, min(left, _STEP))
            most, left = max(most, have), left - have
        self._room[:most] = _ZEROS[:most]
        return fd is not None

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


class _Child:
    """A child as its parent knows it: its process, and the parent's end of what joins them."""

    __slots__ = ("pid", "fd", "is_answered")

    def __init__(self, pid, fd):
        self.pid, self.fd, self.is_answered = pid, fd, False


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
        self._requests = _Requests(wire.requests)
        # The child whose turn it is, and the one after it.
        self._child = self._next = None
        # Python warns of threads that the child won't have; the author can't do without the fork.
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        self._set_dumpable(0)

    def begin(self, prepare, work):
        """Has the first child wait for a call. Each does `prepare()` before it waits, and then `work(header, body, replies)`,
        where `replies` is a descriptor."""
        self._prepare, self._work = prepare, work
        self._child = self._make()
        self._give_turn()

    def serve(self, say_loaded):
        """Has one child after the other take a call; `say_loaded()` tells the service that the next one may come."""
        try:
            while True:
                self._see_off(self._child)
                self._child, self._next = self._next, None
                self._give_turn()
                say_loaded()
        except Ended:  # The service is gone.
            _exit(0)

    def _give_turn(self):
        try:
            _write(self._child.fd, _TURN)
        except OSError:  # It has ended, which is seen next.
            pass

    def _make(self):
        ours, theirs = (end.detach() for end in _pair())
        for fd in (ours, theirs):
            # The author may have given all sockets a timeout.
            _set_blocking(fd, True)
        pid = _fork()
        if pid == 0:
            _close(ours)
            if self._child is not None:
                _close(self._child.fd)
            self._be_child(theirs)
        _close(theirs)
        return _Child(pid, ours)

    def _see_off(self, child):
        """Hands on what a child is sent, has the next one made meanwhile, and returns when it has answered and ended."""
        poll = _poll()
        poll.register(child.fd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll(None if self._next is None else _LOOK)]
            if child.fd in ready and not self._hear(child, poll):
                break
            if self._requests.fd in ready and not self._hand_on(child.fd):
                poll.unregister(self._requests.fd)
            if not ready and _has_ended(child.pid):
                self._hear(child, poll)
                break
        _close(child.fd)
        try:
            status = _wait(child.pid, 0)[1]
        except ChildProcessError:  # The code ignores SIGCHLD, so that nobody learns how its children end.
            status = 0
        if not child.is_answered or self._next is None:
            _end_as(status)

    def _hear(self, child, poll):
        """Whether the child goes on."""
        try:
            # One byte: there is an object for each that the call could write.
            said = _read(child.fd, 1)
        except OSError:  # It ended, and left unread what it was sent.
            return False
        child.is_answered |= said == _ANSWERED
        if self._next is None and said == _TAKEN:
            self._next = self._make()
            # From now on its end is all that it can tell.
            poll.modify(child.fd, 0)
            poll.register(self._requests.fd, select.POLLIN)
            return True
        return bool(said) and not child.is_answered

    def _hand_on(self, fd):
        """Gives the child a reply; whether more of them may come."""
        kind, header, body = self._requests.head()
        if kind != REPLY:
            raise RuntimeError("a frame of kind %d while a call runs" % kind)
        return self._requests.hand_on(header + body, fd)

    def _be_child(self, fd):
        try:
            # The modules that Python has of its own see to it themselves.
            numpy_random = sys.modules.get("numpy.random")
            if numpy_random is not None:
                numpy_random.seed()
            self._prepare()
            if not _read(fd, 1):
                _exit(0)
            kind, header, body = self._requests.head()
            while kind == REPLY:
                # To an earlier call, which has ended without waiting for it.
                self._requests.hand_on(header + body)
                kind, header, body = self._requests.head()
            if kind != INVOKE:
                raise RuntimeError("a frame of kind %d out of turn" % kind)
            header, body = self._requests.take(header), self._requests.take(body)
            _close(self._requests.fd)
            _write(fd, _TAKEN)
            self._set_dumpable(1)
            self._work(header, body, fd)
            _write(fd, _ANSWERED)
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
