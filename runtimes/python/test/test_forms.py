"""Every form of handler that is known: how it is told from the others, and what becomes of its answers."""
import json
import unittest

from shim_process import Shim

ASGI = """
state = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        state.append("up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    message = await receive()
    answer = {"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode(),
              "body": message["body"].decode(), "state": state}
    import json
    await send({"type": "http.response.start", "status": 201,
                "headers": [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()[:5], "more_body": True})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()[5:]})
"""

WSGI = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    yield environ["PATH_INFO"].encode() + b" " + environ["HTTP_X_A"].encode() + b" "
    yield body
"""


class Forms(unittest.TestCase):
    def style(self, code, style, **options):
        shim = Shim(code)
        self.addCleanup(shim.__exit__, None, None, None)
        shim.__enter__()
        loaded = shim.load(**options)
        self.assertEqual((loaded.kind, loaded.header.get("handler_style", loaded.header)), ("loaded", style))
        return shim

    def test_asgi(self):
        shim = self.style(ASGI, "asgi")
        for _ in range(2):
            answer = shim.invoke({"a": 1}, mode="http", path="/x y", query="q=1", method="PUT")
            self.assertEqual(answer.header["status"], 201)
            self.assertEqual([value for name, value in answer.header["headers"] if name == "set-cookie"], ["a=1", "b=2"])
            self.assertEqual(
                answer.json,
                {"method": "PUT", "path": "/x y", "query": "q=1", "body": '{"a": 1}', "state": ["up"]},
            )
            self.assertNotIn("survivors", answer.header)

    def test_an_asgi_application_without_a_lifespan(self):
        code = ASGI.replace('if scope["type"] == "lifespan":', 'assert scope["type"] == "http"\n    if False:')
        shim = self.style(code, "asgi")
        self.assertEqual(shim.invoke({}, mode="http").header["status"], 201)

    def test_an_asgi_application_that_does_not_start(self):
        code = ASGI.replace("lifespan.startup.complete", "lifespan.startup.failed")
        with Shim(code) as shim:
            self.assertIn("did not start", shim.load().header["message"])

    def test_an_object_that_is_an_asgi_application(self):
        code = ASGI.replace("app(", "run(") + (
            "\nclass App:\n    async def __call__(self, scope, receive, send):\n        await run(scope, receive, send)\napp = App()\n"
        )
        self.assertEqual(self.style(code, "asgi").invoke({}, mode="http").header["status"], 201)

    def test_wsgi(self):
        shim = self.style(WSGI, "wsgi")
        answer = shim.invoke({"a": 1}, mode="http", path="/p%20q", headers=[["x-a", "b"]])
        self.assertEqual((answer.header["status"], answer.body), (202, b'/p q b {"a": 1}'))
        self.assertIn(["x-method", "POST"], answer.header["headers"])
        raw = shim.invoke({}, headers=[["x-a", "b"]]).json
        self.assertEqual((raw["statusCode"], raw["body"][-2:]), (202, "{}"))

    def test_a_wsgi_application_is_mounted(self):
        code = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [repr([environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]
"""
        answer = self.style(code, "wsgi").invoke({}, mode="http", path="/p/1/functions/f/a", base_path="/p/1/functions/f")
        self.assertEqual(answer.body, b"['/p/1/functions/f', '/a']")

    def test_openfaas(self):
        code = "def handle(event, context):\n    return {'statusCode': 201, 'body': event.method + ' ' + event.body.decode()}"
        answer = self.style(code, "openfaas").invoke({}, mode="http")
        self.assertEqual((answer.header["status"], answer.body), (201, b"POST {}"))
        answer = self.style("def handle(req):\n    return req.upper()", "openfaas").invoke({"a": 1}, mode="http")
        self.assertEqual(answer.body, b'{"A": 1}')

    def test_lambda_and_openwhisk(self):
        shim = self.style("def lambda_handler(event, context):\n    return [event, context.get_remaining_time_in_millis() > 0]", "data")
        self.assertEqual(shim.invoke({"a": 1}).json, [{"a": 1}, True])
        shim = self.style("def main(args):\n    return {'greeting': 'Hello ' + args.get('name', 'stranger')}", "data")
        self.assertEqual(shim.invoke({"name": "Ada"}).json, {"greeting": "Hello Ada"})

    def test_a_pinned_style(self):
        shim = self.style("def handle(data, context):\n    return data", "data", handler_style="data", entry_point="handle")
        self.assertEqual(shim.invoke({"a": 1}).json, {"a": 1})
        with Shim("def handler(data, context):\n    return data") as other:
            self.assertIn("appwrite, asgi, data, flask, lambda, nuclio, openfaas, wsgi", other.load(handler_style="edge").header["message"])


if __name__ == "__main__":
    unittest.main()
