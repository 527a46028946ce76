"""The forms of handlers: how each is told from the others, and how it is called.

A form's `call(handler, event)` gives the handler's value, or something to await. The value is sent as any handler's: a
dict with `statusCode` is an HTTP answer.
"""


import importlib.util
import os
import sys


class NoEntryPoint(Exception):
    """No handler where one was looked for."""


class Event:
    """What a call brings: `data`, `context`, the frame's header `head`, the request's `body`; where its caller takes an
    answer in pieces, the `stream` that these go to; where the body is read as it comes, the `upload` that reads it."""

    __slots__ = ("data", "context", "head", "body", "stream", "upload")

    def __init__(self, data, context, head, body, stream=None, upload=None):
        self.data, self.context, self.head, self.body = data, context, head, body
        self.stream, self.upload = stream, upload


def _code_of(handler):
    """The code of a function, or of the call of an object; None where there is none in Python."""
    code = getattr(handler, "__code__", None)
    if code is None:
        code = getattr(getattr(type(handler), "__call__", None), "__code__", None)
    return code


def is_coroutine(handler):
    """Whether a handler is to be awaited, as far as it says so itself."""
    code = _code_of(handler)
    return code is not None and bool(code.co_flags & 0x80)


def _parameters(handler):
    """The names of the positional parameters, without `self`."""
    code = _code_of(handler)
    if code is None:
        return ()
    names = code.co_varnames[: code.co_argcount]
    return names[1:] if names[:1] == ("self",) else names


def _takes_one(handler):
    """Whether the handler can take `data` but no context."""
    code = getattr(handler, "__code__", None)
    return code is not None and code.co_argcount == 1 and not code.co_flags & 0x04


def _is_asgi(handler):
    return _parameters(handler)[-3:] == ("scope", "receive", "send")


def _is_wsgi(handler):
    return _parameters(handler)[-2:] in (("environ", "start_response"), ("env", "start_response"))


def _is_openfaas(handler):
    return getattr(handler, "__name__", "") == "handle"


def _words(handler):
    """The names and texts that a function uses."""
    code = _code_of(getattr(handler, "__wrapped__", handler))
    if code is None:
        return frozenset()
    return frozenset(code.co_names) | frozenset(word for word in code.co_consts if isinstance(word, str))


def _is_lambda(handler):
    return len(_parameters(handler)) == 2 and not own_module("cloudbox_lambda").WORDS.isdisjoint(_words(handler))


def _is_flask(handler):
    """A function of Google's framework, or one that gets Flask's request as Fission and that framework have it."""
    if "flask" not in sys.modules or isinstance(handler, type):
        return False
    registry = getattr(sys.modules.get("functions_framework._function_registry"), "REGISTRY_MAP", {})
    names = _parameters(getattr(handler, "__wrapped__", handler))
    return getattr(handler, "__name__", "") in registry or names in ((), ("request",), ("req",))


def _is_appwrite(handler):
    return _parameters(handler) == ("context",) and not _words(handler).isdisjoint(("req", "res"))


def _is_nuclio(handler):
    return _parameters(handler) == ("context", "event")


def _is_request_handler(handler):
    return isinstance(handler, type) and any(base.__name__ == "BaseHTTPRequestHandler" for base in handler.__mro__)


def plain_headers(headers):
    """Headers as they are sent: names in lower case, and no length, which the service tells."""
    return [[name.lower(), value] for name, value in headers if name.lower() != "content-length"]


def http_answer(status, headers, body, mode):
    """An HTTP answer as a handler's value; `headers` is a list of names and values."""
    fields = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    fields = {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
    fields.pop("content-length", None)
    if mode != "raw":
        return {"statusCode": status, "headers": fields, "body": body or None}
    try:
        return {"statusCode": status, "headers": fields, "body": body.decode("utf-8"), "isBase64Encoded": False}
    except UnicodeDecodeError:
        import base64

        text = base64.b64encode(body).decode("ascii")
        return {"statusCode": status, "headers": fields, "body": text, "isBase64Encoded": True}


def own_module(name):
    """A module beside this one, which the code's own folder can't hide."""
    if name not in sys.modules:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def _call_asgi(handler, event):
    return own_module("cloudbox_asgi").call(handler, event)


def _call_wsgi(handler, event):
    return own_module("cloudbox_wsgi").call(handler, event)


class _OpenFaasEvent:
    """`event` of OpenFaaS."""

    def __init__(self, event):
        context = event.context
        self.body, self.headers, self.method = event.body, context["headers"], context["method"]
        self.path, self.query = context["path"], context["query"]


def _call_openfaas(handler, event):
    """`handle(event, context)`, or `handle(req)` with the body as text; a string is text."""
    if _takes_one(handler):
        value = handler(bytes(event.body).decode("utf-8", "replace"))
    else:
        value = handler(_OpenFaasEvent(event), event.context)
    if isinstance(value, str) and event.head["mode"] != "raw":
        return {"statusCode": 200, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": value}
    return value


def _by(module, name):
    """The call of a form whose module is loaded when it is needed."""
    return lambda handler, event: getattr(own_module(module), name)(handler, event)


# The forms, the first that matches wins: name, whether it fits, how it is called.
STYLES = [
    ("app", _is_request_handler, _by("cloudbox_peers", "call_request_handler")),
    ("asgi", _is_asgi, _call_asgi),
    ("wsgi", _is_wsgi, _call_wsgi),
    ("openfaas", _is_openfaas, _call_openfaas),
    ("flask", _is_flask, _by("cloudbox_peers", "call_flask")),
    ("appwrite", _is_appwrite, _by("cloudbox_peers", "call_appwrite")),
    ("nuclio", _is_nuclio, _by("cloudbox_peers", "call_nuclio")),
    ("lambda", _is_lambda, _by("cloudbox_lambda", "call")),
    ("data", _takes_one, lambda handler, event: handler(event.data)),
    ("data", lambda handler: True, lambda handler, event: handler(event.data, event.context)),
]


def style_of(handler, pinned):
    """The form that is pinned, or the one that fits: `(name, call)`."""
    forms = [form for form in STYLES if pinned in ("auto", form[0])]
    for name, fits, call in forms:
        if fits(handler):
            return name, call
    if forms:
        return forms[0][0], forms[0][2]
    known = ", ".join(sorted({name for name, _, _ in STYLES}))
    raise NoEntryPoint('handler_style "%s" is not one that Python functions have: auto, %s' % (pinned, known))


# Names that say "the handler", whatever it is called: what functions have whose author chose none.
_ANY_NAME = ("handler", "main", "index", "default")
# Where it is looked for then, in this order.
_USUAL = ("handler", "lambda_handler", "handle", "app", "application", "main")


def find_handler(module, entry_point):
    """The handler: the one named; for a name that is no choice, also the usual ones."""
    wanted = entry_point.rsplit(".", 1)[-1]
    for name in (wanted,) + (_USUAL if wanted in _ANY_NAME else ()):
        handler = getattr(module, name, None)
        if callable(handler):
            return handler
    names = [name for name in vars(module) if not name.startswith("_")][:50]
    raise NoEntryPoint('no function "%s" to call: the code has %s' % (wanted, ", ".join(names) or "nothing"))
