"""The golden messages: this codec reads and writes the same bytes as all others."""
import base64
import json
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from cloudbox_event import loads  # noqa: E402
from cloudbox_wire import Ended, Wire  # noqa: E402

FOLDER = os.path.join(HERE, "..", "..", "golden")
KINDS = ["", "hello", "load", "loaded", "invoke", "result", "failure", "log", "call", "reply", "chunk", "taken", "output"]


def messages():
    for name in sorted(os.listdir(FOLDER)):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            yield json.load(file)


class Golden(unittest.TestCase):
    def test_good_messages_are_read_and_written(self):
        for golden in messages():
            if "error" in golden:
                continue
            wire = base64.b64decode(golden["wire_base64"])
            with self.subTest(golden["name"]), tempfile.TemporaryFile() as requests, tempfile.TemporaryFile() as answers:
                requests.write(wire * 2)
                requests.seek(0)
                codec = Wire(requests.fileno(), answers.fileno())
                for _ in range(2):
                    kind, header, body = codec.read()
                    self.assertEqual(KINDS[kind], golden["kind"])
                    self.assertEqual(loads(header), golden["header"])
                    self.assertEqual(body, base64.b64decode(golden["body_base64"]))
                    codec.send(kind, header, body)
                answers.seek(0)
                self.assertEqual(answers.read(), wire * 2)

    def test_a_cut_message_is_an_end(self):
        for golden in messages():
            if golden.get("error") != "ended":
                continue
            with self.subTest(golden["name"]), tempfile.TemporaryFile() as requests:
                requests.write(base64.b64decode(golden["wire_base64"]))
                requests.seek(0)
                with self.assertRaises(Ended):
                    Wire(requests.fileno(), -1).read()


if __name__ == "__main__":
    unittest.main()
