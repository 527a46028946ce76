"""What honest code finds: how it is loaded, what it is called with, what becomes of its results."""
import json
import os
import unittest

from shim_process import Shim

EVENT = "def handler(data, context):\n    return "
JSON = [["content-type", "application/json"]]


class Loading(unittest.TestCase):
    def test_the_last_handler_wins_and_errors_keep_their_text(self):
        code = """
import datetime
def handler(data, context):
    return 'first'
def handler(data, context):
    print(f"Received data: {data}")
    if 'name' not in data:
        raise ValueError('Name is required')
    return {'greeting': f"Hello, {data['name']}!", 'method': context.get('method'), 'headers': context.get('headers', {})}
"""
        with Shim(code) as shim:
            loaded = shim.load(entry_point="index.handler")
            self.assertEqual((loaded.kind, loaded.header["handler_style"]), ("loaded", "data"))
            answer = shim.invoke({"name": "Ada"})
            self.assertEqual(answer.json, {"greeting": "Hello, Ada!", "method": "POST", "headers": {}})
            failure = shim.invoke({}).header
            self.assertEqual((failure["kind"], failure["message"]), ("error", "ValueError: Name is required"))
            self.assertIn('index.py", line 8, in handler', failure["stack"])
            self.assertNotIn("shim.py", failure["stack"])
            self.assertEqual(shim.invoke({"name": "Bo"}).kind, "result")
            shim.end()
            self.assertIn(b"Received data: {'name': 'Ada'}\n", shim.logs)

    def test_nothing_is_left_of_what_the_shim_loaded_for_itself(self):
        code = "import os, sys\n" + EVENT + (
            "[[name for name in sys.modules if 'rehearsed' in name], os.getcwd(), sys.path[0], sys.argv, os.environ.get('A')]"
        )
        with Shim(code) as shim:
            self.assertEqual(shim.load(env={"A": "b"}).kind, "loaded")
            folder = shim.code_dir
            self.assertEqual(shim.invoke({}).json, [[], os.path.realpath(folder), folder, [os.path.join(folder, "index.py")], "b"])

    def test_packages_are_found_after_the_code_itself(self):
        files = {
            "index.py": "import sys, mine, theirs\n" + EVENT + "[mine.NAME, theirs.NAME, sys.path[0]]",
            "mine.py": "NAME = 'code'",
            ".packages/mine.py": "NAME = 'package'",
            ".packages/theirs/__init__.py": "NAME = 'package'",
        }
        with Shim(files) as shim:
            self.assertEqual(shim.load().kind, "loaded")
            self.assertEqual(shim.invoke({}).json, ["code", "package", shim.code_dir])

    def test_forms(self):
        for files, options in [
            ("async def handler(data, context):\n    import asyncio\n    await asyncio.sleep(0)\n    return data", {}),
            ("def handler(data):\n    return data", {}),
            ("def main(data, context):\n    return data", {"entry_point": "main"}),
            ("handler = lambda event, context: event", {"entry_point": "index.main"}),
            ({"src/app.py": "import part\nhandler = part.run", "src/part.py": "def run(data, context):\n    return data"},
             {"main": "src/app.py"}),
            ("class H:\n    def __call__(self, data, context):\n        return data\nhandler = H()", {"handler_style": "data"}),
        ]:
            with self.subTest(files=files), Shim(files) as shim:
                self.assertEqual(shim.load(**options).kind, "loaded")
                for _ in range(2):
                    self.assertEqual(shim.invoke({"a": [1, "ü"]}).json, {"a": [1, "ü"]})

    def test_failures(self):
        for code, kind, message, options in [
            ("other = 1", "entry_point", '"handler"', {}),
            (EVENT + "1", "entry_point", '"run"', {"entry_point": "index.run"}),
            (EVENT + "1", "entry_point", 'handler_style "edge"', {"handler_style": "edge"}),
            ("raise TypeError('no')", "error", "TypeError: no", {}),
            ("def x(:", "error", "SyntaxError", {}),
            ("import nowhere", "error", "ModuleNotFoundError: No module named 'nowhere'", {}),
        ]:
            with self.subTest(code=code), Shim(code) as shim:
                failure = shim.load(**options).header
                self.assertEqual(failure["kind"], kind)
                self.assertIn(message, failure["message"])


class Events(unittest.TestCase):
    def test_data(self):
        with Shim(EVENT + "data") as shim:
            shim.load()
            for body, options, data in [
                (b'[1,{"a":null}]', {}, [1, {"a": None}]),
                (b"123456789012345678901234567890", {}, 123456789012345678901234567890),
                (b"NaN", {}, "NaN"),
                ("é".encode("utf-8"), {}, "é"),
                (b"\xff\x00", {}, {"base64": "/wA="}),
                (b"", {}, None),
                (b"", {"data": "query", "query": "a=1&b=x%20y&a=2&c="}, {"a": ["1", "2"], "b": "x y", "c": ""}),
                (b"[" * 100000, {}, "[" * 100000),
                (json.dumps("x" * 300000).encode("ascii"), {}, "x" * 300000),
            ]:
                with self.subTest(body=body[:20]):
                    self.assertEqual(shim.invoke(body, **options).json, data)

    def test_context(self):
        code = EVENT + """dict(context, left=context.get_remaining_time_in_millis(), yes=context.success(1),
        no=context['error']('bad', 'E1'), same=context.method == context['method'], none=context.get('nothing', 'd'),
        secret=__import__('os').environ['SECRET'], cwd=__import__('os').getcwd())"""
        with Shim(code) as shim:
            shim.load()
            seen = shim.invoke({}, query="q=1", headers=[["x-a", "1"], ["x-a", "2"]]).json
        self.assertEqual((seen["query"], seen["headers"]), ({"q": "1"}, {"x-a": "1, 2"}))
        self.assertEqual((seen["functionName"], seen["function_id"], seen["version"], seen["invocation_id"]), ("greet", 7, 2, "i-1"))
        self.assertEqual(seen["yes"], {"success": True, "data": 1})
        self.assertEqual(seen["no"], {"success": False, "error": {"message": "bad", "code": "E1"}})
        self.assertTrue(0 < seen["left"] <= 60000)
        self.assertEqual((seen["same"], seen["none"], seen["secret"], seen["env"]), (True, "d", "x", {"SECRET": "x"}))

    def test_lines(self):
        code = """
import sys
print('top')
def handler(data, context):
    print('out'); print('err', file=sys.stderr); context.log.warn('slow', {'ms': 1}); context.log('odd \\ud800', f={1})
    print('no break', end='')
"""
        with Shim(code) as shim:
            shim.load()
            lines = shim.invoke({}).lines
            self.assertEqual((lines[0]["level"], lines[0]["message"], lines[0]["fields"]), ("warn", "slow", {"ms": 1}))
            self.assertEqual((lines[1]["message"], lines[1]["fields"]), ("odd ?", {"value": "{'f': {1}}"}))
            shim.end()
            self.assertEqual(shim.logs, b"top\nout\nerr\nno break")


class Results(unittest.TestCase):
    def test_http(self):
        for value, status, headers, body in [
            ("{'a': 1}", 200, JSON, b'{"a":1}'),
            ("'text'", 200, JSON, b'"text"'),
            ("None", 200, JSON, b"null"),
            ("{'statusCode': 201, 'body': 'hi'}", 201, [["content-type", "text/plain; charset=utf-8"]], b"hi"),
            ("{'statusCode': 302, 'headers': {'Location': '/', 'Set-Cookie': ['a=1', 'b=2'], 'n': 5}}", 302,
             [["location", "/"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["n", "5"]], b""),
            ("{'statusCode': 200, 'headers': {'Content-Type': 'image/png'}, 'body': 'AQI=', 'isBase64Encoded': True}", 200,
             [["content-type", "image/png"]], b"\1\2"),
            ("{'statusCode': 404, 'body': {'e': 1}}", 404, JSON, b'{"e":1}'),
            ("{'statusCode': 200, 'body': b'\\x00'}", 200, [["content-type", "application/octet-stream"]], b"\0"),
            ("{'statusCode': True}", 200, JSON, b'{"statusCode":true}'),
            ("'\\ud800'", 200, JSON, b'"\\ud800"'),
        ]:
            with self.subTest(value=value), Shim(EVENT + value) as shim:
                shim.load()
                answer = shim.invoke({}, mode="http")
                self.assertEqual((answer.header["status"], answer.header["headers"], answer.body), (status, headers, body))

    def test_refused(self):
        for value, kind, message in [
            ("(lambda a: a.append(a) or a)([])", "invalid_response", "Circular"),
            ("float('nan')", "invalid_response", "JSON"),
            ("{1, 2}", "invalid_response", "set"),
            ("object()", "invalid_response", "object"),
            ("{'statusCode': 600}", "invalid_response", "600"),
            ("{'statusCode': 200, 'headers': {'a': 'x\\r\\ny: z'}}", "invalid_response", "line break"),
            ("{'statusCode': 200, 'headers': {'a b': 'x'}}", "invalid_response", "name"),
            ("'x' * (2 << 20)", "response_too_large", "2097154 bytes, the limit is 1048576"),
        ]:
            with self.subTest(value=value), Shim(EVENT + value) as shim:
                shim.load()
                for _ in range(2):
                    failure = shim.invoke({}, mode="http").header
                    self.assertEqual(failure["kind"], kind)
                    self.assertIn(message, failure["message"])


if __name__ == "__main__":
    unittest.main()
