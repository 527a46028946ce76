"""What a platform's handlers find in their context: `context.db`, documents that the service keeps for the project, and
`context.http`, a client over the language's own. Imported when a handler first asks for one of them.

Where an event loop runs, as it does in an async handler, what they give has to be awaited.
"""
import json
import os
import sys

# By method of an entity: what the service calls it. What the arguments mean is the service's matter.
_OPERATIONS = {
    "find_many": "findMany",
    "find_one": "findOne",
    "count": "count",
    "create": "create",
    "update": "update",
    "update_many": "updateMany",
    "delete": "delete",
    "delete_many": "deleteMany",
}
_OPERATIONS.update({name: name for name in list(_OPERATIONS.values())})


def _is_in_loop():
    """Whether the caller is a coroutine, or called by one."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


class Entity:
    """The documents of one entity: `find_many(filter, sort=…, limit=…)`, also as `findMany`."""

    __slots__ = ("_host", "_name")

    def __init__(self, host, name):
        self._host, self._name = host, name

    def __getattr__(self, name):
        operation = _OPERATIONS.get(name)
        if operation is None:
            known = ", ".join(sorted(name for name in _OPERATIONS if name.islower()))
            raise AttributeError("an entity has no %s; it has %s" % (name, known))

        def operate(*args, **options):
            args = list(args)
            if options:
                args.append(options)
            call = self._host.call_async if _is_in_loop() else self._host.call
            return call("db." + operation, {"entity": self._name, "args": args})

        return operate


class Entities:
    """`entities.users` or `entities["users"]`, for any name."""

    __slots__ = ("_host",)

    def __init__(self, host):
        self._host = host

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Entity(self._host, name)

    def __getitem__(self, name):
        return Entity(self._host, name)


class _Project:
    __slots__ = ("entities",)

    def __init__(self, host):
        self.entities = Entities(host)

    def __getitem__(self, name):
        return getattr(self, name)


class Database:
    """`context.db`: `db.project.entities.users.find_many()`. `host` makes host calls."""

    __slots__ = ("project",)

    def __init__(self, host):
        self.project = _Project(host)

    def __getitem__(self, name):
        return getattr(self, name)


class HttpError(Exception):
    """An answer of 400 and more, or none at all."""

    def __init__(self, message, code, status=None, headers=None, data=None):
        super().__init__(message)
        self.code, self.status, self.headers, self.data = code, status, headers, data


def _content_of(headers, body):
    """Headers in lower case, and the body as bytes: what is neither bytes nor text is sent as JSON."""
    named = {name.lower(): str(value) for name, value in (headers or {}).items()}
    if body is None or isinstance(body, bytes):
        return named, body
    if not isinstance(body, str):
        named.setdefault("content-type", "application/json")
        body = json.dumps(body)
    return named, body.encode("utf-8")


def _data_of(headers, body, response_type):
    """The body: parsed where it says that it is JSON, bytes where those are wanted, else text."""
    if response_type in ("bytes", "buffer"):
        return body
    text = body.decode("utf-8", "replace")
    is_json = "json" in headers.get("content-type", "").split(";")[0]
    if response_type == "text" or not text or not (is_json or response_type == "json"):
        return text
    return json.loads(text)


def _request(options):
    import urllib.error
    import urllib.parse
    import urllib.request

    options = dict(options)
    method = str(options.get("method") or "GET").upper()
    url, query = options["url"], options.get("query") or options.get("params")
    if query:
        url += ("&" if "?" in url else "?") + urllib.parse.urlencode(query, doseq=True)
    headers, body = _content_of(options.get("headers"), options.get("body", options.get("data")))
    shown = "%s %s" % (method, url.split("?")[0])
    if not url.startswith(("http://", "https://")):
        raise HttpError("%s: only http and https are known here" % shown, "HTTP_FAILED")
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    timeout = options.get("timeout")
    more = {} if timeout is None else {"timeout": timeout / 1000.0}
    try:
        try:
            response = urllib.request.urlopen(request, **more)
        except urllib.error.HTTPError as answered:
            response = answered
        with response:
            status, answer = response.getcode(), response.read()
            named = {name.lower(): value for name, value in response.headers.items()}
    except OSError as error:
        why = getattr(error, "reason", None) or error
        raise HttpError("%s: %s" % (shown, why), "HTTP_FAILED") from error
    data = _data_of(named, answer, options.get("response_type", options.get("responseType")))
    return {"status": status, "headers": named, "data": data}


def _data_from(method, url, body, options):
    answer = _request(dict(options, method=method, url=url, body=body))
    if answer["status"] < 400:
        return answer["data"]
    raise HttpError("%s %s: status %d" % (method, url.split("?")[0], answer["status"]), "HTTP_STATUS", **answer)


async def _later(work, *args):
    return work(*args)


def _run(work, *args):
    """What `work` gives; in a coroutine something to await, which blocks its loop like any request of urllib."""
    return _later(work, *args) if _is_in_loop() else work(*args)


class Http:
    """`context.http`: `get(url)` gives the data of the answer, `request(…)` all of it."""

    __slots__ = ()

    def request(self, options=None, **more):
        """`{status, headers, data}`, whatever the status; takes `method, url, query, headers, body, timeout` (ms)."""
        return _run(_request, dict(options or {}, **more))

    def get(self, url, **options):
        """The data; a status of 400 and more raises."""
        return _run(_data_from, "GET", url, None, options)

    def head(self, url, **options):
        """As `get`; there is no data."""
        return _run(_data_from, "HEAD", url, None, options)

    def delete(self, url, **options):
        """As `get`."""
        return _run(_data_from, "DELETE", url, None, options)

    def post(self, url, body=None, **options):
        """As `get`, with a body: bytes, text, or what is sent as JSON."""
        return _run(_data_from, "POST", url, body, options)

    def put(self, url, body=None, **options):
        """As `post`."""
        return _run(_data_from, "PUT", url, body, options)

    def patch(self, url, body=None, **options):
        """As `post`."""
        return _run(_data_from, "PATCH", url, body, options)

    def __getitem__(self, name):
        return getattr(self, name)


def missing_environment(required):
    """Those of the variables that a `config["env_required"]` names which are not set."""
    names = [required] if isinstance(required, str) else required if isinstance(required, (list, tuple)) else []
    return [name for name in names if isinstance(name, str) and name not in os.environ]
