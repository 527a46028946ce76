"""Handlers as other platforms' own documentation has them, unmodified."""
import unittest

from shim_process import Shim

LAMBDA = """
import json

def lambda_handler(event, context):
    name = (event["queryStringParameters"] or {}).get("name", "nobody")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "X-One": "lost"},
        "multiValueHeaders": {"x-one": ["1", "2"]},
        "cookies": ["a=1; Secure", "b=2"],
        "body": json.dumps([name, event["requestContext"]["http"]["method"], event["rawPath"], event["body"], event["isBase64Encoded"]]),
    }
"""

APPWRITE = """
def main(context):
    context.log("Hello, Logs!")
    if context.req.method == "GET":
        return context.res.text("Hello, World!")
    if context.req.path == "/there":
        return context.res.redirect("https://appwrite.io", 302)
    return context.res.json({"got": context.req.body_json, "q": context.req.query.get("q"), "id": context.function_id}, 201, {"x-a": "b"})
"""

NUCLIO = """
def init_context(context):
    context.user_data.greeting = "Hello"

def handler(context, event):
    context.logger.info("reading")
    if event.path == "/response":
        return context.Response(body={"got": event.body}, headers={"x-a": "b"}, content_type="application/json", status_code=201)
    if event.path == "/pair":
        return 202, "made"
    return context.user_data.greeting + " " + event.body.decode("utf-8")
"""

VERCEL = """
from http.server import BaseHTTPRequestHandler

class handler(BaseHTTPRequestHandler):

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("Content-type", "text/plain")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        self.wfile.write(("Hello, " + self.path + " " + self.headers["x-a"] + " ").encode("utf-8") + body)
        return
"""


def headers(answer):
    return {name: value for name, value in answer.header["headers"]}


class Peers(unittest.TestCase):
    def style(self, code, style, **options):
        shim = Shim(code)
        self.addCleanup(shim.__exit__, None, None, None)
        shim.__enter__()
        loaded = shim.load(**options)
        self.assertEqual((loaded.kind, loaded.header.get("handler_style", loaded.header)), ("loaded", style))
        return shim

    def test_lambda(self):
        shim = self.style(LAMBDA, "lambda", entry_point="lambda_handler")
        got = shim.invoke({"n": 1}, mode="http", path="/p/x", query="name=Ada", method="POST")
        self.assertEqual(got.json, ["Ada", "POST", "/p/x", '{"n": 1}', False])
        many = [pair for pair in got.header["headers"] if pair[0] in ("x-one", "set-cookie")]
        self.assertEqual(many, [["x-one", "1"], ["x-one", "2"], ["set-cookie", "a=1; Secure"], ["set-cookie", "b=2"]])
        given = {"queryStringParameters": None, "requestContext": {"http": {"method": "PUT"}}, "rawPath": "/mine", "body": None,
                 "isBase64Encoded": False}
        self.assertIn('"PUT", "/mine"', shim.invoke(given).json["body"])

    def test_appwrite(self):
        shim = self.style(APPWRITE, "appwrite")
        self.assertEqual(shim.invoke(None, mode="http", method="GET", data="query").body, b"Hello, World!")
        got = shim.invoke({"a": 1}, mode="http", method="POST", path="/", query="q=1")
        self.assertEqual((got.header["status"], headers(got)["x-a"]), (201, "b"))
        self.assertEqual(got.json, {"got": {"a": 1}, "q": "1", "id": 7})
        moved = shim.invoke({}, mode="http", method="POST", path="/there")
        self.assertEqual((moved.header["status"], headers(moved)["location"]), (302, "https://appwrite.io"))

    def test_nuclio(self):
        shim = self.style(NUCLIO, "nuclio")
        kind = [["content-type", "text/plain"]]
        for _ in range(2):
            self.assertEqual(shim.invoke("there", mode="http", headers=kind, path="/").body, b'Hello "there"')
        made = shim.invoke({"a": 1}, mode="http", path="/response", headers=[["content-type", "application/json"]])
        self.assertEqual((made.header["status"], headers(made)["x-a"], made.json), (201, "b", {"got": {"a": 1}}))
        self.assertEqual(shim.invoke("x", mode="http", path="/pair").header["status"], 202)

    def test_a_class_of_vercel(self):
        shim = self.style(VERCEL, "app")
        for _ in range(2):
            got = shim.invoke({"a": 1}, mode="http", path="/x", query="q=1", headers=[["x-a", "b"]])
            self.assertEqual((got.header["status"], got.body), (201, b'Hello, /x?q=1 b {"a": 1}'))
            self.assertEqual([value for name, value in got.header["headers"] if name == "set-cookie"], ["a=1", "b=2"])

    def test_what_reads_no_such_event_keeps_its_own(self):
        shim = self.style("def handler(event, context):\n    return {'statusCode': 200, 'body': event['body']}", "data")
        self.assertEqual(shim.invoke({"body": "x"}, mode="http").body, b"x")
