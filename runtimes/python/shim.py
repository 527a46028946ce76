"""The shim for Python 3.7 and later: loads a function's code and calls its handler, as ../PROTOCOL.md says.

This file finds and calls the handler, `cloudbox_wire.py` has the frames, `cloudbox_event.py` makes what a handler is called
with, `cloudbox_answer.py` what is answered, `cloudbox_survivors.py` sees what a call leaves running, and `cloudbox_fork.py`
has a process for each call where the function wants that. One call at a time, or in `cloudbox_several.py` several.
"""
import fcntl
import os
import sys


def _take_descriptors():
    """Moves the pipes off descriptors 0 and 1: 0 becomes /dev/null, 1 the log pipe."""
    requests = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    answers = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 64)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return requests, answers


_SHIM_DIRS = (os.path.dirname(__file__), os.path.dirname(os.path.abspath(__file__)))

# Before anything else may print.
_REQUESTS, _ANSWERS = _take_descriptors()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import _thread  # noqa: E402
import gc  # noqa: E402
import importlib.machinery  # noqa: E402
import importlib.util  # noqa: E402
import pwd  # noqa: E402

import cloudbox_answer as answer  # noqa: E402
import cloudbox_event as event  # noqa: E402
import cloudbox_forms as forms  # noqa: E402
import cloudbox_survivors as survivors  # noqa: E402
from cloudbox_wire import CALL, CHUNK, FAILURE, HELLO, INVOKE, LOAD, LOADED, LOG, REPLY, RESULT, Ended, Wire  # noqa: E402

# Variables that belong to the sandbox; all others are the function's own.
_KEPT = {"PATH", "HOME", "TMPDIR", "USER", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_WIRE = Wire(_REQUESTS, _ANSWERS)
_PID = os.getpid()
_SHIM = sys.modules[__name__]
# Threads of a call may log while it is answered: frames are sent one after the other, and none after the answer. Code that
# runs in the middle of that in the same thread, a signal's or a finalizer's, must not wait for itself.
_LOCK = _thread.RLock()
_RUNNING = None
# Made by the first host call of the process.
_HOST_CALLS = None
_CO_COROUTINE = 0x80
# The headers of a load and of a call that never come.
_REHEARSED_LOAD = (
    b'{"nonce":"","main":"cloudbox_rehearsed.py","entry_point":"index.handler","handler_style":"auto","isolation":"version","env":{},'
    b'"function":{"id":1,"name":"a","project_id":1,"version":1,"memory_mb":128}}'
)
_REHEARSED = (
    b'{"nonce":"","invocation_id":"","mode":"http","data":"body","method":"POST","path":"/","query":"",'
    b'"headers":[["accept","*/*"],["content-type","application/json"]],"timestamp":"","timeout_ms":1,"deadline_ms":1,'
    b'"max_response_bytes":1024,"may_stream":true}'
)

# How often: Python adapts code to what it is called with, and a process that is forked then has it so.
_REHEARSALS = 20

# User code may replace functions of shared modules; these are the ones the shim was started with.
_exit, _getpid = os._exit, os.getpid
_stdout, _stderr = sys.stdout, sys.stderr


def know_user():
    """Has `pwd` know the sandbox's user, whom no file names where each sandbox has one of its own."""
    find = pwd.getpwuid

    def getpwuid(uid, *more):
        try:
            return find(uid, *more)
        except KeyError:
            if uid != os.getuid():
                raise
            return pwd.struct_passwd(("cloudbox", "x", uid, os.getgid(), "cloudbox", "/tmp", "/sbin/nologin"))

    pwd.getpwuid = getpwuid


def send(kind, header, body=b""):
    """Sends an answer. A forked child that came this far must not."""
    global _RUNNING
    if _getpid() != _PID:
        _exit(0)
    with _LOCK:
        _RUNNING = None
        _WIRE.send(kind, header, body)


def send_log(nonce, header):
    """Sends a log line of the call that runs; one of a call that was answered is lost."""
    if _getpid() != _PID:
        return
    with _LOCK:
        if nonce == _RUNNING:
            _WIRE.send(LOG, header)


def send_part(kind, header, body, nonce):
    """Sends a part of the answer of the call that runs."""
    if _getpid() != _PID:
        _exit(0)
    with _LOCK:
        if nonce == _RUNNING:
            _WIRE.send(kind, header, body)


def send_call(nonce, header, body):
    """Sends a host call of the call that runs; whether it is the one that runs."""
    if _getpid() != _PID:
        return False
    with _LOCK:
        if nonce == _RUNNING:
            _WIRE.send(CALL, header, body)
            return True
    return False


def host_calls():
    """The host calls of this process."""
    global _HOST_CALLS
    if _HOST_CALLS is None:
        with _LOCK:
            if _HOST_CALLS is None:
                made = forms.own_module("cloudbox_host").HostCalls(_WIRE, send_call, answer.dumps, event.loads)
                made.begin(_RUNNING)
                _HOST_CALLS = made
    return _HOST_CALLS


class Host:
    """The host calls of one call of the handler."""

    __slots__ = ("_nonce", "_find")

    def __init__(self, nonce, find=host_calls):
        self._nonce, self._find = nonce, find

    def call(self, method, args=None):
        """Asks the service for `method`, and waits for the result."""
        return self._find().call(self._nonce, method, args)

    def call_async(self, method, args=None):
        """The same for coroutines: to be awaited."""
        return self._find().call_async(self._nonce, method, args)

    def read_body(self):
        """The next piece of the request's body, for one that is read as it comes; an empty one at the end."""
        return self._find().call(self._nonce, "body.read", None, True)

    def read_body_async(self):
        """The same for coroutines: to be awaited."""
        return self._find().call_async(self._nonce, "body.read", None, True)


def end_host_calls():
    """Ends what is under way, and gives coroutines that wait for it the time to learn that."""
    if _HOST_CALLS.end() and _loop is not None and not _loop.is_closed():
        import asyncio

        for _ in range(3):
            _loop.run_until_complete(asyncio.sleep(0))


def flush():
    """Has all that was printed in the log pipe."""
    for stream in (sys.stdout, sys.stderr, _stdout, _stderr):
        try:
            stream.flush()
        except Exception:  # The author closed or replaced the stream: what is printed there is lost.
            pass


def leave(request):
    """Ends the process as `sys.exit` would, without waiting for threads."""
    code = request.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    flush()
    _exit((code or 0) & 0xFF)


def import_main(code_dir, main):
    """Runs the main file as a module."""
    path = os.path.join(code_dir, main)
    name = os.path.splitext(os.path.basename(main))[0]
    sys.path[0] = code_dir
    packages = os.path.join(code_dir, ".packages")
    if os.path.isdir(packages):
        sys.path.insert(1, packages)
    folder = os.path.dirname(path)
    if folder != code_dir:
        sys.path.insert(0, folder)
    sys.argv = [path]
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def replace_environment(env):
    """Gives the process the function's variables and no others but the sandbox's."""
    for name in list(os.environ):
        if name not in _KEPT:
            del os.environ[name]
    os.environ.update(env)
    if "TZ" in env:
        import time

        time.tzset()


_loop = None


def loop():
    """The event loop of the process: made when first needed, since it takes a while to import."""
    global _loop
    if _loop is None or _loop.is_closed():
        import asyncio

        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    return _loop


async def _await(value):
    return await value


def settle(value):
    """The value itself, or what it comes to where it can be awaited."""
    if not hasattr(type(value), "__await__"):
        return value
    return loop().run_until_complete(_await(value))


def _rehearsed(data, context):
    return {"statusCode": 200, "headers": {"x-name": "Ada"}, "body": data}


def _call_rehearsed(handler, event_):
    return handler(event_.data, event_.context)


class Function:
    """The loaded code, and what a context says of it."""

    def __init__(self, head):
        make_forker = None
        # Before the code has its say in where modules are.
        if head.get("isolation") == "process":
            from cloudbox_fork import Forker as make_forker
        elif head.get("concurrency", 1) > 1:
            share_wire()
        os.chdir(head["code_dir"])
        replace_environment(head["env"])
        module = import_main(head["code_dir"], head["main"])
        self.handler = forms.find_handler(module, head["entry_point"])
        self.style, self.call = forms.style_of(self.handler, head["handler_style"])
        self.facts = event.facts(head["function"], head["env"])
        config = getattr(module, "config", None)
        required = config.get("env_required") if isinstance(config, dict) else None
        self.missing = forms.own_module("cloudbox_platform").missing_environment(required) if required else ()
        self.stream = None
        self.forker = None
        code = getattr(self.handler, "__code__", None)
        is_coroutine = code is not None and code.co_flags & _CO_COROUTINE
        if make_forker is not None:
            self.forker = make_forker(_WIRE)
            if is_coroutine:
                import asyncio  # noqa: F401 - else each child would import it
        elif is_coroutine:
            loop()
        self.is_coroutine = is_coroutine
        self.concurrency = self.concurrency_of(head)
        if self.style == "asgi" and self.forker is None:
            settle(forms.own_module("cloudbox_asgi").begin(self.handler))

    def concurrency_of(self, head):
        """How many calls there may be at once: several where the handler lets others run while it waits."""
        wanted = head.get("concurrency", 1)
        if wanted == 1 or self.forker is not None:
            return 1
        if self.style == "asgi" or self.style not in ("wsgi", "flask", "app") and forms.is_coroutine(self.handler):
            return wanted
        print("cloudbox: the handler is no coroutine and no ASGI application: its calls come one at a time", file=sys.stderr)
        return 1

    def missing_frame(self, nonce):
        """The frame that answers where variables are missing."""
        what = "environment variables are missing that the function needs (config.env_required): %s"
        return FAILURE, answer.failure_header(nonce, "missing_environment", what % ", ".join(self.missing), ""), b""

    def event_of(self, head, body, write_log, host, stream):
        """What the handler is called with."""
        data, context = event.event_of(head, body, self.facts, write_log, host)
        return forms.Event(data, context, head, body, stream, host if head.get("has_upload") else None)

    def invoke(self, head, body):
        """Calls the handler: the frame that answers; raises what it raises."""
        global _RUNNING
        nonce = _RUNNING = head["nonce"]
        if self.missing:
            return self.missing_frame(nonce)

        def write_log(level, message, fields):
            flush()
            send_log(nonce, answer.log_header(nonce, level, message, fields))

        if _HOST_CALLS is not None:
            _HOST_CALLS.begin(nonce)
        self.stream = None
        if head.get("may_stream"):
            self.stream = self.stream_of(head)
        value = settle(self.call(self.handler, self.event_of(head, body, write_log, Host(nonce), self.stream)))
        if isinstance(value, dict) and "statusCode" in value and answer.has_pieces(value):
            value = settle(forms.own_module("cloudbox_pieces").take(head, value, self.stream))
        if self.stream is not None and self.stream.is_begun:
            return forms.own_module("cloudbox_pieces").last_frame(CHUNK, nonce)
        return (RESULT,) + answer.result(head, value)

    def rehearse(self):
        """Does what a call takes but for the handler: this process has pages of its own then that a call writes to."""
        global _RUNNING
        own = self.handler, self.call, self.missing
        self.handler, self.call, self.missing = _rehearsed, _call_rehearsed, ()
        try:
            answer_of(self, event.loads(_REHEARSED), b'{"name":"Ada"}')
        finally:
            self.handler, self.call, self.missing = own
            _RUNNING = None
        flush()

    def stream_of(self, head):
        """Where the answer goes if it comes in pieces."""
        nonce = head["nonce"]

        def send_frame(kind, header, body):
            send_part(kind, header, body, nonce)

        return forms.own_module("cloudbox_pieces").Stream(head, send_frame, (RESULT, CHUNK))


def answered(nonce, work):
    """The frame for what `work` gives or raises."""
    try:
        return work()
    except SystemExit as request:
        leave(request)
    except forms.NoEntryPoint as error:
        return FAILURE, answer.failure_header(nonce, "entry_point", str(error), ""), b""
    except answer.Unfit as error:
        return FAILURE, answer.failure_header(nonce, error.kind, str(error), ""), b""
    except BaseException as error:  # KeyboardInterrupt and the like are failures of the call.
        return FAILURE, answer.error_header(nonce, error, _SHIM_DIRS), b""


def load(head):
    """Loads the code: the function, or None, and the frame that answers."""
    made = []

    def work():
        function = Function(head)
        made.append(function)
        return LOADED, answer.loaded_header(head["nonce"], function.style, function.forker is not None, function.concurrency), b""

    frame = answered(head["nonce"], work)
    survivors.accept(_loop)
    # What the code made while it was loaded stays; the collector need not look at it again.
    gc.collect()
    gc.freeze()
    return (made[0] if made else None), frame


def answer_of(function, head, body):
    """The frame that answers a call."""
    frame = answered(head["nonce"], lambda: function.invoke(head, body))
    if _HOST_CALLS is not None:
        end_host_calls()
    stream = function.stream
    if stream is not None and stream.is_begun and frame[0] == FAILURE:
        return forms.own_module("cloudbox_pieces").last_frame(CHUNK, head["nonce"], frame[1])
    return frame


def share_wire():
    """Has frames and prints of several calls told apart."""
    global _WIRE
    import cloudbox_calls

    _WIRE = cloudbox_calls.SharedWire(_WIRE)
    cloudbox_calls.take_prints(_WIRE)


def serve_several(function, loaded):
    """Answers calls as they come, until the requests end; `loaded` is the frame that says that they may."""
    calls = forms.own_module("cloudbox_several").Several(_SHIM, _WIRE, function, loop())
    send(*loaded)
    calls.serve()


def serve_in_children(function, loaded):
    """Answers each call in a process of its own, until the requests end; `loaded` is the frame that says that one may come."""

    def prepare():
        if function.is_coroutine:
            loop()
        function.rehearse()

    def work(header, body, wire):
        global _PID, _WIRE
        _PID, _WIRE = _getpid(), wire
        # What it leaves in its process ends with it.
        frame = answer_of(function, event.loads(header), body)
        flush()
        send(*frame)

    for _ in range(_REHEARSALS):
        function.rehearse()
    gc.freeze()
    function.forker.begin(prepare, work)
    send(*loaded)
    function.forker.serve(loaded)


def rehearse():
    """Loads and calls a function of ours: what that takes of imports, and of code that has never run, is done while nobody waits."""
    global _RUNNING
    path, argv, folder = sys.path[:], sys.argv, os.getcwd()
    function, _ = load(dict(event.loads(_REHEARSED_LOAD), code_dir=os.path.dirname(os.path.abspath(__file__))))
    if function is not None:
        survivors.told_in(answer_of(function, event.loads(_REHEARSED), b'{"name":"Ada"}'), _loop)
    flush()
    _RUNNING = None
    sys.path[:], sys.argv = path, argv
    sys.modules.pop("cloudbox_rehearsed", None)
    os.chdir(folder)
    # So that the collection after the load looks at the author's objects alone.
    gc.collect()
    gc.freeze()


def main():
    """Says hello, then answers requests until the stream ends."""
    know_user()
    rehearse()
    version = "%d.%d.%d" % sys.version_info[:3]
    send(HELLO, answer.dumps({"protocol": 1, "runtime": "python", "version": version}))
    function = None
    while True:
        try:
            kind, header, body = _WIRE.read()
        except Ended:
            flush()
            _exit(0)
        if kind == REPLY:
            # To an earlier call, which has ended without waiting for it.
            continue
        head = event.loads(header)
        if kind == LOAD and function is None:
            function, frame = load(head)
            flush()
            if function is not None and function.forker is not None:
                serve_in_children(function, frame)
            if function is not None and function.concurrency > 1:
                serve_several(function, frame)
            send(*frame)
        elif kind == INVOKE and function is not None:
            frame = survivors.told_in(answer_of(function, head, body), _loop)
            flush()
            send(*frame)
        else:
            raise RuntimeError("a frame of kind %d out of turn" % kind)


if __name__ == "__main__":
    main()
