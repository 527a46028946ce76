"""Forms of other platforms, each with what their own documentation has a handler use."""
import io
import json

from cloudbox_forms import http_answer, own_module

_TEXT = "text/plain; charset=utf-8"
# Applications that were made around functions of Flask, by the function's id.
_applications = {}


class _Named:
    """An object of fields."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class _Deputy(_Named):
    """Fields of its own, and those of the call's context."""

    def __init__(self, context, **fields):
        super().__init__(**fields)
        self.__dict__["_context"] = context

    def __getattr__(self, name):
        return getattr(self._context, name)


def _below(head):
    return head["path"][len(head.get("base_path", "")) :] or "/"


def _cloud_event(request):
    """The CloudEvent that a request brings, with the library of the framework's own."""
    from cloudevents.http import from_http

    return from_http(dict(request.headers), request.get_data())


def _view_of(handler):
    """The view of Flask for a function of Google's framework or of Fission."""
    import sys

    import flask

    registry = sys.modules.get("functions_framework._function_registry")
    kind = getattr(registry, "REGISTRY_MAP", {}).get(getattr(handler, "__name__", ""), "http")
    code = getattr(getattr(handler, "__wrapped__", handler), "__code__", None)
    if kind == "cloudevent":
        return lambda path: (handler(_cloud_event(flask.request)), "OK")[1]
    if code is not None and code.co_argcount == 0 and not code.co_flags & 0x04:
        return lambda path: handler()
    return lambda path: handler(flask.request)


def call_flask(handler, event):
    """`function(request)` with the request of Flask, and what Flask makes an answer of."""
    if id(handler) not in _applications:
        import flask

        application = flask.Flask("function", static_folder=None)
        # What the function raises fails the call; Flask would answer it with a page.
        application.config["PROPAGATE_EXCEPTIONS"] = True
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        options = {"methods": methods, "provide_automatic_options": False}
        application.add_url_rule("/", "root", _view_of(handler), defaults={"path": ""}, **options)
        application.add_url_rule("/<path:path>", "below", _view_of(handler), **options)
        _applications[id(handler)] = application
    return own_module("cloudbox_wsgi").call(_applications[id(handler)], event)


def call_appwrite(handler, event):
    """`main(context)` of Appwrite and Open Runtimes: `context.req`, `context.res`, `context.log`, `context.error`."""
    head, body, context = event.head, bytes(event.body), event.context
    headers = context["headers"]
    text = body.decode("utf-8", "replace")
    host, _, port = headers.get("host", "localhost").partition(":")
    search = "?" + head["query"] if head["query"] else ""
    request = _Named(
        method=head["method"], headers=headers, path=_below(head), query=context["query"], query_string=head["query"],
        url="http://%s%s%s" % (headers.get("host", "localhost"), head["path"], search),
        scheme="http", host=host, port=int(port or 80),
        body=event.data if body else "", body_raw=text, body_text=text, body_binary=body,
        body_json=event.data if isinstance(event.data, (dict, list)) and body else None,
    )

    def answer(kind):
        def make(value=None, status=200, fields=None):
            return {"statusCode": status, "headers": dict({"content-type": kind} if kind else {}, **(fields or {})), "body": value}

        return make

    response = _Named(
        text=answer(_TEXT), send=answer(_TEXT), binary=answer(None),
        json=lambda value, *rest: answer("application/json")(json.dumps(value), *rest),
        empty=lambda: answer(None)(None, 204),
        redirect=lambda url, status=301, fields=None: answer(None)(None, status, dict({"location": url}, **(fields or {}))),
    )
    theirs = _Deputy(context, req=request, res=response, log=context.log.info)
    theirs.error = context.log.error
    return handler(theirs)


class _NuclioResponse:
    """`context.Response` of Nuclio."""

    def __init__(self, body=None, headers=None, content_type=_TEXT, status_code=200):
        self.body, self.headers, self.content_type, self.status_code = body, headers or {}, content_type, status_code


class _NuclioLogger:
    """`context.logger` of Nuclio: each level takes a text, and with `_with` also fields."""

    def __init__(self, log):
        self.debug, self.info, self.warn, self.warning, self.error = log.debug, log.info, log.warn, log.warn, log.error
        self.debug_with, self.info_with, self.warn_with, self.error_with = log.debug, log.info, log.warn, log.error


def _nuclio_answer(value, mode):
    status, body, kind, headers = 200, value, _TEXT, {}
    if isinstance(value, _NuclioResponse):
        status, body, kind, headers = value.status_code, value.body, value.content_type, value.headers
    elif isinstance(value, tuple) and len(value) == 2:
        status, body = value
    elif mode == "raw":
        return value
    if isinstance(body, (dict, list)):
        kind, body = "application/json", json.dumps(body)
    return {"statusCode": status, "headers": dict({"content-type": kind}, **headers), "body": body}


_nuclio_data = {}


def call_nuclio(handler, event):
    """`handler(context, event)` of Nuclio; `init_context` of its module is called once."""
    head, context = event.head, event.context
    shared = _nuclio_data.setdefault(id(handler), _Named())
    theirs = _Deputy(context, logger=_NuclioLogger(context.log), Response=_NuclioResponse, user_data=shared, worker_id=0)
    begin = getattr(handler, "__globals__", {}).get("init_context")
    if begin is not None and not hasattr(shared, "_is_begun"):
        begin(theirs)
        shared._is_begun = True
    kind = context["headers"].get("content-type", "")
    request = _Named(
        body=event.data if "json" in kind else bytes(event.body), headers=context["headers"], method=head["method"],
        path=_below(head), fields=context["query"], content_type=kind, id=context["invocation_id"],
        timestamp=context["timestamp"], trigger=_Named(kind="http", name="http"), size=len(event.body), url=head["path"],
        get_header=lambda name: context["headers"].get(name.lower()),
    )
    value = handler(theirs, request)
    if hasattr(type(value), "__await__"):
        return _awaited(value, head["mode"])
    return _nuclio_answer(value, head["mode"])


async def _awaited(value, mode):
    return _nuclio_answer(await value, mode)


class _Socket:
    """A connection in memory: what it brings, and what was sent."""

    def __init__(self, request):
        self._request, self.sent = request, io.BytesIO()

    def makefile(self, mode, *_):
        """The file to read the request from."""
        return io.BytesIO(self._request)

    def sendall(self, data):
        """Takes what is written."""
        self.sent.write(data)


class _Reader:
    def __init__(self, data):
        self._data = data

    def makefile(self, *_):
        """The file to read the answer from."""
        return io.BytesIO(self._data)


def call_request_handler(handler, event):
    """A class that is a `BaseHTTPRequestHandler`, as Vercel has it: one connection in memory for each call."""
    from http.client import HTTPResponse

    head, body = event.head, bytes(event.body)
    target = _below(head) + ("?" + head["query"] if head["query"] else "")
    own = ("connection", "content-length", "transfer-encoding")
    lines = ["%s %s HTTP/1.1" % (head["method"], target)]
    lines += ["%s: %s" % (name, value) for name, value in head["headers"] if name not in own]
    lines += ["content-length: %d" % len(body), "connection: close", "", ""]
    connection = _Socket("\r\n".join(lines).encode("utf-8") + body)
    handler(connection, ("127.0.0.1", 0), None)
    response = HTTPResponse(_Reader(connection.sent.getvalue()), method=head["method"])
    response.begin()
    own += ("date", "server")
    headers = [(name, value) for name, value in response.getheaders() if name.lower() not in own]
    return http_answer(response.status, headers, response.read(), head["mode"])
