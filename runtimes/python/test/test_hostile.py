"""What hostile or broken code can do to the conversation: at most spoil its own answer."""
import time
import unittest

from shim_process import Shim


def handler(*lines):
    """Code with a handler of these lines."""
    return "import os, sys\ndef handler(data, context):\n    " + "\n    ".join(lines)


class Hostile(unittest.TestCase):
    def test_odd_exceptions(self):
        for lines, message in [
            (["raise KeyboardInterrupt()"], "KeyboardInterrupt"),
            (["raise BaseException('base')"], "BaseException: base"),
            (["class E(Exception):", "    def __str__(self): raise ValueError()", "raise E()"], "E: (its text can't be shown)"),
            (["def f(): return f()", "return f()"], "RecursionError"),
            (["raise ValueError('x' * 10**6)"], "ValueError: xxx"),
            (["raise ValueError('\\ud800')"], "ValueError: ?"),
            (["raise GeneratorExit()"], "GeneratorExit"),
            (["raise OSError(2, 'gone')"], "FileNotFoundError: [Errno 2] gone"),
        ]:
            with self.subTest(lines=lines), Shim(handler(*lines)) as shim:
                shim.load()
                for _ in range(2):
                    failure = shim.invoke({}).header
                    self.assertEqual(failure["kind"], "error")
                    self.assertIn(message, failure["message"])
                    self.assertLessEqual(len(failure["message"]), 8 << 10)

    def test_exits(self):
        for line, code in [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('why')", 1), ("os._exit(9)", 9), ("os.abort()", -6)]:
            with self.subTest(line=line), Shim(handler(line)) as shim:
                shim.load()
                self.assertEqual(shim.invoke({}).kind, "end")
                self.assertEqual(shim.end(), code)

    def test_exit_from_a_coroutine(self):
        with Shim("import sys\nasync def handler(data, context):\n    sys.exit(4)") as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).kind, "end")
            self.assertEqual(shim.end(), 4)

    def test_lines_of_a_signal_in_the_middle_of_a_line(self):
        lines = ["threading.Timer(20, os._exit, (1,)).start()",
                 "signal.signal(signal.SIGALRM, lambda *_: context.log('signal'))", "signal.setitimer(signal.ITIMER_REAL, 0.05)",
                 "context.log('x' * 60000, more='y' * 150000)", "return 1"]
        for isolation in ("version", "process"):
            with self.subTest(isolation=isolation), Shim("import signal, threading\n" + handler(*lines)) as shim:
                shim.load(isolation=isolation)
                # The pipe is full while the line is written, so that the signal comes in its middle.
                answer = shim.invoke({}, after=lambda: time.sleep(0.2))
                self.assertEqual(answer.kind, "result", "it waits for itself")
                self.assertEqual([len(line["message"]) for line in answer.lines], [60000, 6])

    def test_lines_of_a_finalizer(self):
        lines = ["threading.Timer(20, os._exit, (1,)).start()",
                 "def log(phase, info):", "    if len(seen) < 300: seen.append(phase); context.log(phase)",
                 "seen = []", "gc.callbacks.append(log)", "gc.set_threshold(1)",
                 "for number in range(100): context.log('line', number=[number])", "gc.callbacks.remove(log)", "return len(seen)"]
        with Shim("import gc, threading\n" + handler(*lines)) as shim:
            shim.load(isolation="process")
            answer = shim.invoke({})
            self.assertEqual(answer.kind, "result", "it waits for itself")
            self.assertEqual(len(answer.lines), 100 + answer.json)

    def test_ten_megabytes_of_prints(self):
        with Shim(handler("for _ in range(10240): print('x' * 1023)", "return 1")) as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).json, 1)
            shim.end()
            self.assertEqual(len(shim.logs), 10 << 20)

    def test_descriptors_are_not_the_protocols(self):
        lines = ["import subprocess", "got = len(os.read(0, 10))", "os.write(1, b'one\\n'); os.write(2, b'two\\n')",
                 "subprocess.check_call(['/bin/sh', '-c', 'echo child; cat'])", "print('last')", "return got"]
        with Shim(handler(*lines)) as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).json, 0)
            shim.end()
            self.assertEqual(shim.logs, b"one\ntwo\nchild\nlast\n")

    def test_closed_output_costs_the_prints_not_the_answer(self):
        with Shim(handler("try: print('x')", "except ValueError: pass", "sys.stdout.close()", "return 1")) as shim:
            shim.load()
            for _ in range(2):
                self.assertEqual(shim.invoke({}).json, 1)

    def test_a_forked_child_does_not_answer(self):
        with Shim(handler("pid = os.fork()", "if pid: os.waitpid(pid, 0)", "return data")) as shim:
            shim.load()
            for word in ("a", "b"):
                self.assertEqual(shim.invoke(word).json, word)

    def test_a_log_function_of_an_earlier_call_says_nothing(self):
        code = "kept = []\ndef handler(data, context):\n    kept.append(context.log)\n    kept[0]('line %d' % len(kept))\n    return data"
        with Shim(code) as shim:
            shim.load()
            self.assertEqual([line["message"] for line in shim.invoke(1).lines], ["line 1"])
            second = shim.invoke(2)
            self.assertEqual((second.json, second.lines), (2, []))

    def test_threads_that_log_at_once(self):
        code = "import threading\ndef handler(data, context):\n" \
               "    work = lambda n: [context.log('x' * 20000, n=n) for _ in range(20)]\n" \
               "    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]\n" \
               "    [one.start() for one in threads]; [one.join() for one in threads]\n    return 1"
        with Shim(code) as shim:
            shim.load()
            answer = shim.invoke()
            self.assertEqual((answer.json, len(answer.lines)), (1, 160))

    def test_patched_internals_do_not_reach_the_answer(self):
        code = "import json, os, struct\njson.dumps = json.loads = lambda *a, **k: 'forged'\nos.read = os.write = None\n" \
               "struct.pack = None\ndef handler(data, context):\n    return data"
        with Shim(code) as shim:
            shim.load()
            for number in range(3):
                self.assertEqual(shim.invoke({"i": number}).json, {"i": number})

    def test_a_value_nested_too_deeply_is_refused(self):
        with Shim(handler("a = []", "for _ in range(100000): a = [a]", "return a")) as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).header["kind"], "invalid_response")

    def test_the_end_of_requests_ends_the_process(self):
        with Shim("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n" + handler("return 1")) as shim:
            shim.load()
            self.assertEqual(shim.end(), 0)


if __name__ == "__main__":
    unittest.main()
