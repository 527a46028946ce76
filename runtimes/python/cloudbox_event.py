"""What a handler is called with: `data` and `context`."""
import json
import time

from cloudbox_forms import own_module

_now = time.time


def _no_constant(name):
    raise ValueError("%s is not JSON" % name)


# Strict: NaN and the infinities are no JSON.
loads = json.JSONDecoder(parse_constant=_no_constant).decode
_decode_json = loads


def loads(data):  # noqa: F811
    """The value of JSON text, given as bytes."""
    return _decode_json(data.decode("utf-8"))


class Log:
    """`context.log`: callable itself, with a method for each level."""

    __slots__ = ("_write",)

    def __init__(self, write):
        self._write = write

    def __call__(self, message, fields=None, **more):
        self.info(message, fields, **more)

    def debug(self, message, fields=None, **more):
        """Writes a line for those who look closely."""
        self._write("debug", message, _merged(fields, more))

    def info(self, message, fields=None, **more):
        """Writes a line."""
        self._write("info", message, _merged(fields, more))

    def warn(self, message, fields=None, **more):
        """Writes a line about something odd."""
        self._write("warn", message, _merged(fields, more))

    warning = warn

    def error(self, message, fields=None, **more):
        """Writes a line about something that failed."""
        self._write("error", message, _merged(fields, more))


def _merged(fields, more):
    if not more:
        return fields
    merged = dict(fields) if isinstance(fields, dict) else ({} if fields is None else {"value": fields})
    merged.update(more)
    return merged


class Context(dict):
    """A dict of what is known of the call; each key is an attribute too, and so are the functions."""

    __slots__ = ("log", "_deadline_ms", "_host")

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("context has no %s" % name) from None

    def __missing__(self, name):
        if name in _FUNCTIONS:
            return getattr(self, name)
        raise KeyError(name)

    def get(self, name, default=None):
        """As of any dict; knows the functions too."""
        try:
            return self[name]
        except KeyError:
            return default

    def get_remaining_time_in_millis(self):
        """Milliseconds until the call is ended."""
        return max(0, self._deadline_ms - int(_now() * 1000))

    getRemainingTimeInMillis = get_remaining_time_in_millis

    def host_call(self, method, args=None):
        """Asks the service for `method`, and waits for the result."""
        return self._host.call(method, args)

    def host_call_async(self, method, args=None):
        """The same for coroutines: to be awaited."""
        return self._host.call_async(method, args)

    @property
    def db(self):
        """Documents that the service keeps for the project."""
        return own_module("cloudbox_platform").Database(self._host)

    @property
    def http(self):
        """An HTTP client over the language's own."""
        return own_module("cloudbox_platform").Http()

    def success(self, data=None):
        """`{success, data}`: a yes."""
        return {"success": True, "data": data}

    def error(self, message, code="ERROR"):
        """`{success, error}`: a no."""
        return {"success": False, "error": {"message": str(message), "code": code}}


_FUNCTIONS = {"log", "db", "http", "success", "error", "get_remaining_time_in_millis", "getRemainingTimeInMillis"}


def facts(function, env):
    """What contexts of this function have in common."""
    return {
        "functionName": function["name"],
        "function_name": function["name"],
        "functionId": function["id"],
        "function_id": function["id"],
        "projectId": function["project_id"],
        "project_id": function["project_id"],
        "version": function["version"],
        "function_version": str(function["version"]),
        "memory_limit_mb": function["memory_mb"],
        "memory_limit_in_mb": function["memory_mb"],
        "env": env,
    }


def query_of(raw):
    """The query as a dict; a key that repeats has a list."""
    if not raw:
        return {}
    from urllib.parse import parse_qsl

    query = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        if name not in query:
            query[name] = value
        elif isinstance(query[name], list):
            query[name].append(value)
        else:
            query[name] = [query[name], value]
    return query


def headers_of(pairs):
    """Headers as a dict; a name that repeats has its values joined."""
    headers = {}
    for name, value in pairs:
        headers[name] = headers[name] + ", " + value if name in headers else value
    return headers


def data_of(body):
    """The body as JSON where it is such, else as text, else as base64."""
    if not body:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        import base64

        return {"base64": base64.b64encode(body).decode("ascii")}
    try:
        return _decode_json(text)
    except (ValueError, RecursionError):
        return text


def event_of(head, body, common, write_log, host):
    """`(data, context)` of the call with this header and body; `host` makes its host calls."""
    query = query_of(head["query"])
    # A copy of its own, so that a handler that changes `data` does not change the context's query.
    data = query_of(head["query"]) if head["data"] == "query" else data_of(body)
    context = Context(common)
    context.update(
        data=data,
        headers=headers_of(head["headers"]),
        method=head["method"],
        path=head["path"],
        query=query,
        invocationId=head["invocation_id"],
        invocation_id=head["invocation_id"],
        aws_request_id=head["invocation_id"],
        awsRequestId=head["invocation_id"],
        timestamp=head["timestamp"],
    )
    if "params" in head:
        context["params"] = head["params"]
    context.log = Log(write_log)
    context._host = host
    context._deadline_ms = head["deadline_ms"]
    return data, context
