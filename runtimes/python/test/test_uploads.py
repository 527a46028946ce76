"""Bodies of requests that are read while they arrive."""
import unittest

from shim_process import Shim

ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    size, text = 0, "none"
    try:
        while scope["path"] != "/none":
            message = await receive()
            size += len(message["body"])
            text = str(size)
            if not message["more_body"]:
                break
    except Exception as error:
        text = str(error)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
"""

WSGI = """
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/none":
        return [b"none"]
    try:
        first = environ["wsgi.input"].read(7)
        line = environ["wsgi.input"].readline(11)
        return [str(len(first) + len(line) + len(environ["wsgi.input"].read())).encode()]
    except Exception as error:
        return [str(error).encode()]
"""

PIECES = 20
PIECE = b"a" * 100000


class Uploads(unittest.TestCase):
    def upload(self, shim, path):
        """The answer's text, and how many pieces were asked for."""
        asked = []

        def on_call(call):
            self.assertEqual(call.header["method"], "body.read")
            asked.append(call)
            if path == "/broken" and len(asked) > 2:
                shim.reply(call, {"code": "PAYLOAD_TOO_LARGE", "message": "too long"}, ok=False)
            else:
                shim.reply(call, PIECE if len(asked) <= PIECES else b"")

        shim.on_call = on_call
        answer = shim.invoke(b"", mode="http", method="POST", path=path, has_upload=True)
        self.assertNotIn("survivors", answer.header)
        return answer.body.decode(), len(asked)

    def check(self, code, style, **options):
        with Shim(code) as shim:
            self.assertEqual(shim.load(**options).header["handler_style"], style)
            for _ in range(2):
                text, asked = self.upload(shim, "/all")
                self.assertEqual(text, str(PIECES * len(PIECE)))
                self.assertGreaterEqual(asked, PIECES + 1)
            self.assertEqual(self.upload(shim, "/none"), ("none", 0))
            self.assertEqual(self.upload(shim, "/broken")[0], "too long")
            self.assertEqual(shim.invoke(b"abc", mode="http", method="POST", path="/all").body, b"3")

    def test_asgi(self):
        self.check(ASGI, "asgi")

    def test_wsgi(self):
        self.check(WSGI, "wsgi")

    def test_in_a_process_of_its_own(self):
        self.check(WSGI, "wsgi", isolation="process")
