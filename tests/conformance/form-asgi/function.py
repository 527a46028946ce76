import json


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no such scope here")
    message = await receive()
    answer = {"method": scope["method"], "query": scope["query_string"].decode(), "got": json.loads(message["body"])}
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
