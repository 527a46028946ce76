"""The peer without isolation: an ASGI application in one process of uvicorn."""
import json


async def app(scope, receive, send):
    """One POST, one JSON answer."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    data = json.loads(body or b"{}")
    answer = json.dumps({"greeting": f"Hello, {data.get('name')}!"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
