"""ASGI applications: one `http` scope for each call, and their lifespan, begun before the first."""
import asyncio

from cloudbox_forms import http_answer, plain_headers

# Applications whose lifespan has begun, by id, with the task that lives as long as the process.
_alive = {}


def _scope(event):
    head, headers = event.head, event.context["headers"]
    path = head["path"]
    host = headers.get("host", "localhost")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": head["method"],
        "scheme": headers.get("x-forwarded-proto", "http"),
        "path": _unquoted(path),
        "raw_path": path.encode("utf-8"),
        "query_string": head["query"].encode("utf-8"),
        "root_path": _unquoted(head.get("base_path", "")),
        "headers": [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in head["headers"]],
        "server": (host.partition(":")[0], 80),
        "client": ("127.0.0.1", 0),
        "extensions": {},
    }


def _unquoted(path):
    from urllib.parse import unquote

    return unquote(path)


async def _begin(application):
    """Begins the application's lifespan; one that knows none is left alone."""
    loop = asyncio.get_event_loop()
    begun = loop.create_future()
    messages = [{"type": "lifespan.startup"}]

    async def receive():
        if messages:
            return messages.pop()
        return await loop.create_future()

    async def send(message):
        if begun.done():
            return
        if message["type"] == "lifespan.startup.complete":
            begun.set_result(None)
        elif message["type"] == "lifespan.startup.failed":
            begun.set_exception(RuntimeError("the application did not start: %s" % message.get("message", "")))

    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = loop.create_task(application(scope, receive, send))
    await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
    if begun.done():
        begun.result()
    elif not task.cancelled():
        # Of no interest: an application without a lifespan says so by raising.
        task.exception()
    return task


async def begin(application):
    """As [`_begin`], once."""
    if id(application) not in _alive:
        _alive[id(application)] = await _begin(application)


async def call(application, event):
    """The answer as a handler's value."""
    await begin(application)
    request = [] if event.upload is not None else [{"type": "http.request", "body": bytes(event.body), "more_body": False}]
    answer = {"status": 500, "headers": []}
    body = []
    is_over = asyncio.get_event_loop().create_future()

    has_more = event.upload is not None

    async def receive():
        nonlocal has_more
        if has_more:
            piece = await event.upload.read_body_async()
            has_more = len(piece) > 0
            return {"type": "http.request", "body": piece, "more_body": has_more}
        if request:
            return request.pop()
        await is_over
        return {"type": "http.disconnect"}

    def take(piece, has_more):
        stream = event.stream
        if stream is None or not stream.is_begun and (not has_more or stream.is_short(_text_of(answer["headers"]))):
            body.append(piece)
            return
        if not stream.is_begun:
            stream.begin(answer["status"], plain_headers(_text_of(answer["headers"])))
            while body:
                stream.write(body.pop(0))
        stream.write(piece)

    async def send(message):
        if message["type"] == "http.response.start":
            answer.update(status=message["status"], headers=message.get("headers", []))
        elif message["type"] == "http.response.body":
            take(bytes(message.get("body", b"")), message.get("more_body"))
            if event.stream is not None and event.stream.has_window:
                await event.stream.wait()
            if not message.get("more_body") and not is_over.done():
                is_over.set_result(None)

    try:
        await application(_scope(event), receive, send)
    finally:
        if not is_over.done():
            is_over.set_result(None)
    if event.stream is not None and event.stream.is_begun:
        return None
    return http_answer(answer["status"], _text_of(answer["headers"]), b"".join(body), event.head["mode"])


def _text_of(headers):
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
