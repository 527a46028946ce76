"""What the syntax check says, and what it leaves."""
import os
import subprocess
import sys
import tempfile
import unittest

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "check.py")


def check(files, main="index.py", entry_point="handler"):
    """`(exit code, stderr, main file)`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(text.encode("utf-8") if isinstance(text, str) else text)
        done = subprocess.run([sys.executable, "-B", CHECK, folder, main, entry_point], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        mark = os.path.join(folder, ".cloudbox-main")
        found = None
        if os.path.exists(mark):
            with open(mark, encoding="utf-8") as file:
                found = file.read()
        return done.returncode, done.stderr.decode("utf-8"), found


class Check(unittest.TestCase):
    def test_good_code(self):
        self.assertEqual(check({"index.py": "def handler(d, c):\n    return '\\d'\n"}), (0, "", "index.py"))

    def test_bad_code(self):
        for files, start in [
            ({"index.py": "x = 1\n\nif x ==:\n    pass\n"}, "index.py:3:"),
            ({"index.py": "handler = 1", "part.py": "def f(:\n"}, "part.py:1:"),
            ({"index.py": "def f():\nreturn 1\n"}, "index.py:2:"),
            ({"index.py": b"x = '\xff'"}, "index.py:"),
            ({"index.py": b"x\x00"}, "index.py:1:"),
            ({"other.py": "x = 1"}, "index.py: no such file"),
        ]:
            with self.subTest(files=files):
                code, said, found = check(files)
                self.assertEqual((code, found), (1, None))
                self.assertTrue(said.startswith(start), said)

    def test_code_without_the_handler(self):
        for code in ("x = 1\n", "def hander(data, context):\n    handler = 1\n", "# handler\nfrom os import path\n", "class A:\n    handler = 1\n"):
            with self.subTest(code=code):
                code, said, found = check({"index.py": code})
                self.assertEqual((code, found), (1, None))
                self.assertIn('index.py: no function "handler" to call', said)

    def test_code_that_may_have_the_handler(self):
        for code in ("from part import handler", "from part import *", "import part\nhandler = part.run", "if True:\n    def handler(d, c): pass",
                     "globals()['hand' + 'ler'] = print", "def run(d, c): pass"):
            with self.subTest(code=code):
                self.assertEqual(check({"index.py": code}, entry_point="index.run" if " run" in code else "main")[0], 0)

    def test_the_line_is_shown(self):
        _, said, _ = check({"index.py": "x = 1\n\nif x ==:\n    pass\n"})
        self.assertIn("SyntaxError: ", said)
        self.assertTrue(said.endswith("if x ==:\n"), said)


if __name__ == "__main__":
    unittest.main()
