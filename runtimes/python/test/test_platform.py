"""The platform in a handler's context: what is asked of the service, and the client over the language's own."""
import asyncio
import json
import os
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import cloudbox_platform as context  # noqa: E402
from shim_process import Shim  # noqa: E402


class Host:
    def __init__(self):
        self.calls = []

    def call(self, method, args=None):
        self.calls.append((method, args))
        return "done"

    async def call_async(self, method, args=None):
        self.calls.append((method, args))
        return "awaited"


class Documents(unittest.TestCase):
    def test_any_entity_has_every_operation_by_both_names(self):
        host = Host()
        users = context.Database(host).project.entities.users
        self.assertEqual(users.find_many(), "done")
        users.findMany({"age": {"$gt": 5}}, sort="-age", limit=2)
        users.find_one(id="7")
        context.Database(host)["project"]["entities"]["order-lines"].create({"total": 1})
        self.assertEqual(host.calls, [
            ("db.findMany", {"entity": "users", "args": []}),
            ("db.findMany", {"entity": "users", "args": [{"age": {"$gt": 5}}, {"sort": "-age", "limit": 2}]}),
            ("db.findOne", {"entity": "users", "args": [{"id": "7"}]}),
            ("db.create", {"entity": "order-lines", "args": [{"total": 1}]}),
        ])
        with self.assertRaisesRegex(AttributeError, "no drop; it has count, create, delete"):
            users.drop()

    def test_in_a_coroutine_it_is_awaited(self):
        host = Host()

        async def handler():
            return await context.Database(host).project.entities.users.delete_many({})

        loop = asyncio.new_event_loop()
        self.assertEqual(loop.run_until_complete(handler()), "awaited")
        loop.close()
        self.assertEqual(host.calls, [("db.deleteMany", {"entity": "users", "args": [{}]})])


class Echo(BaseHTTPRequestHandler):
    """Answers with what was asked, `/status/N` with that status."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8")
        told = {"method": self.command, "url": self.path, "type": self.headers.get("content-type"), "body": body}
        text = json.dumps(told).encode("utf-8")
        self.send_response(int(self.path[8:]) if self.path.startswith("/status/") else 200)
        self.send_header("Content-Type", "text/plain" if self.path == "/text" else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *args):
        pass


class Client(unittest.TestCase):
    def setUp(self):
        self.server = HTTPServer(("127.0.0.1", 0), Echo)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def tearDown(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def test_methods_bodies_and_statuses(self):
        client = context.Http()
        self.assertEqual(client.get(self.url + "/data?a=1", query={"b": ["x y", 2]})["url"], "/data?a=1&b=x+y&b=2")
        posted = client.post(self.url + "/submit", {"data": [1]})
        self.assertEqual((posted["method"], posted["type"], posted["body"]), ("POST", "application/json", '{"data": [1]}'))
        self.assertEqual(client.put(self.url, "text", headers={"Content-Type": "text/x-a"})["type"], "text/x-a")
        self.assertEqual(client.patch(self.url, b"x")["body"], "x")
        self.assertEqual(client.delete(self.url)["method"], "DELETE")
        self.assertIsInstance(client.get(self.url + "/text"), str)
        answer = client.request(url=self.url + "/status/404", method="get")
        self.assertEqual((answer["status"], answer["data"]["method"]), (404, "GET"))
        with self.assertRaises(context.HttpError) as caught:
            client.get(self.url + "/status/503")
        self.assertEqual((caught.exception.status, caught.exception.code), (503, "HTTP_STATUS"))
        for url in ("http://127.0.0.1:1/", "file:///etc/passwd"):
            with self.assertRaises(context.HttpError) as caught:
                client.get(url)
            self.assertEqual(caught.exception.code, "HTTP_FAILED")


class Handlers(unittest.TestCase):
    def test_a_handler_reaches_the_database_and_reads_what_went_wrong(self):
        plain = """
def handler(data, context):
    users = context["db"].project.entities.users
    try:
        users.create({"id": "taken"})
    except Exception as error:
        told = [error.code, str(error)]
    return [users.find_many({"name": "Ada"}, limit=1), told, "get" in dir(context.http)]
"""
        awaited = plain.replace("def ", "async def ").replace("users.create", "await users.create")
        awaited = awaited.replace("users.find", "await users.find")
        for code in (plain, awaited):
            with Shim(code) as shim:
                def on_call(call):
                    if call.header["method"] == "db.create":
                        shim.reply(call, {"code": "CONFLICT", "message": "no"}, ok=False)
                    else:
                        shim.reply(call, [call.header["method"], call.json])

                shim.on_call = on_call
                shim.load()
                expected = ["db.findMany", {"entity": "users", "args": [{"name": "Ada"}, {"limit": 1}]}]
                self.assertEqual(shim.invoke({}).json, [expected, ["CONFLICT", "no"], True])


class Configuration(unittest.TestCase):
    def test_missing_variables_fail_each_call_with_their_names(self):
        code = 'config = {"env_required": ["API_KEY", "SECRET", "OTHER"]}\ndef handler(data, context): return 1\n'
        with Shim(code) as shim:
            self.assertEqual(shim.load().kind, "loaded")
            for _ in range(2):
                header = shim.invoke({}).header
                self.assertEqual(header["kind"], "missing_environment")
                self.assertTrue(header["message"].endswith(": API_KEY, OTHER"), header)


if __name__ == "__main__":
    unittest.main()
