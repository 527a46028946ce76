"""Answers in pieces: sent as they come where the caller takes that, else as a whole; and what breaks off."""
import os
import unittest

from shim_process import Shim

GATE = """
import asyncio, os, time
def gate(file):
    while not os.path.exists(file): time.sleep(0.005)
async def agate(file):
    while not os.path.exists(file): await asyncio.sleep(0.005)
"""

HEADERS = "'headers': {'content-type': 'text/event-stream'}"

FORMS = {
    "a generator": GATE + """
def handler(data, context):
    def pieces():
        yield "one"
        gate(data)
        yield b"two"
    return {"statusCode": 201, %s, "body": pieces()}
""" % HEADERS,
    "an async generator": GATE + """
async def handler(data, context):
    async def pieces():
        yield "one"
        await agate(data)
        yield b"two"
    return {"statusCode": 201, %s, "body": pieces()}
""" % HEADERS,
    "asgi": GATE + """
async def handler(scope, receive, send):
    if scope["type"] != "http": raise RuntimeError("no lifespan")
    file = (await receive())["body"].decode().strip('"')
    await send({"type": "http.response.start", "status": 201, "headers": [(b"Content-Type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await agate(file)
    await send({"type": "http.response.body", "body": b"two", "more_body": True})
    await send({"type": "http.response.body"})
""",
    "wsgi": GATE + """
def handler(environ, start_response):
    file = environ["wsgi.input"].read().decode().strip('"')
    start_response("201 Created", [("Content-Type", "text/event-stream")])
    yield b"one"
    gate(file)
    yield b"two"
""",
}


class Pieces(unittest.TestCase):
    def test_each_piece_is_there_before_the_handler_goes_on(self):
        for form, code in FORMS.items():
            for isolation in ("version", "process"):
                with self.subTest(form=form, isolation=isolation), Shim(code) as shim:
                    self.assertEqual(shim.load(isolation=isolation).kind, "loaded")
                    for number in range(2):
                        file = os.path.join(shim.code_dir, "go%d" % number)
                        head = shim.invoke(file, mode="http", may_stream=True)
                        self.assertEqual((head.kind, head.header.get("status"), head.header.get("is_streamed")), ("result", 201, True), head.header)
                        self.assertEqual(head.header["headers"], [["content-type", "text/event-stream"]])
                        self.assertEqual(shim.read().body, b"one")
                        open(file, "w").close()
                        rest = [shim.read()]
                        while not rest[-1].header["last"]:
                            rest.append(shim.read())
                        self.assertEqual(b"".join(one.body for one in rest), b"two")
                        self.assertEqual(sorted(rest[-1].header), ["last", "nonce"])
                    whole = shim.invoke(file, mode="http")
                    self.assertEqual((whole.header["status"], "is_streamed" in whole.header, whole.body), (201, False, b"onetwo"))
                    self.assertEqual(shim.invoke(file).json["body"], "onetwo")

    def test_what_is_all_there_is_one_frame(self):
        asgi = """
async def handler(scope, receive, send):
    if scope["type"] != "http": raise RuntimeError("no lifespan")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"te", "more_body": True})
    await send({"type": "http.response.body", "body": b"xt"})
"""
        wsgi = "def handler(environ, start_response):\n    start_response('200 OK', [])\n    return [b'te', b'xt']\n"
        for code in (asgi, wsgi, wsgi.replace("[]", "[('Content-Length', '4')]").replace("return [b'te', b'xt']", "return iter((b'te', b'xt'))")):
            with self.subTest(code=code), Shim(code) as shim:
                shim.load()
                answer = shim.invoke({}, mode="http", may_stream=True)
                self.assertEqual((answer.body, "is_streamed" in answer.header), (b"text", False))

    def test_what_breaks_off(self):
        generator = "def handler(data, context):\n    def pieces():\n        yield 'x'\n        %s\n    return {'statusCode': 200, 'body': pieces()}"
        wsgi = "def handler(environ, start_response):\n    start_response('200 OK', [])\n    yield b'x'\n    %s"
        for code in (generator, wsgi):
            with self.subTest(code=code), Shim(code % "raise ValueError('half way')") as shim:
                shim.load()
                for _ in range(2):
                    self.assertTrue(shim.invoke({}, mode="http", may_stream=True).header["is_streamed"])
                    self.assertEqual(shim.read().body, b"x")
                    last = shim.read().header
                    self.assertEqual((last["last"], last["failure"]["kind"], last["failure"]["message"]), (True, "error", "ValueError: half way"))
        with Shim(generator % "yield 7") as shim:
            shim.load()
            failure = shim.invoke({}, mode="http").header
            self.assertEqual((failure["kind"], failure["message"]), ("invalid_response", "a piece of the response's body is int, not text or bytes"))
        with Shim(generator % "yield 'x' * 2000") as shim:
            shim.load()
            self.assertEqual(shim.invoke({}, mode="http", max_response_bytes=1000).header["kind"], "response_too_large")


if __name__ == "__main__":
    unittest.main()
