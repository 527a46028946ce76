"""A process for each call, and what a call leaves running."""
import os
import signal
import time
import unittest

from shim_process import Shim

STATE = """
import os, random, sys, threading, time
seen = []
random.seed(1)
def handler(data, context):
    if data == "state":
        seen.append(1)
        return [len(seen), os.getpid()]
    if data == "random":
        return random.random()
    return eval(data)
"""


def code(*lines):
    """Code with a handler of these lines."""
    return "import os, sys, threading, time, signal\ndef handler(data, context):\n    " + "\n    ".join(lines)


class Fork(unittest.TestCase):
    def test_each_call_has_a_process_of_its_own(self):
        with Shim(STATE) as shim:
            self.assertEqual(shim.load(isolation="process").kind, "loaded")
            answers = [shim.invoke("state").json for _ in range(5)]
            self.assertEqual({count for count, _ in answers}, {1})
            self.assertEqual(len({pid for _, pid in answers} | {shim.process.pid}), 6)
            self.assertEqual(len({shim.invoke("random").json for _ in range(3)}), 3)
            self.assertEqual(shim.end(), 0)

    def test_isolation_by_version_shares_the_globals(self):
        with Shim(STATE) as shim:
            shim.load(isolation="version")
            self.assertEqual([shim.invoke("state").json[0] for _ in range(3)], [1, 2, 3])

    def test_logs_errors_and_results_are_as_ever(self):
        with Shim(code("print('printed')", "context.log('line', a=1)", "if data: raise ValueError(data)", "return [1]")) as shim:
            shim.load(isolation="process")
            answer = shim.invoke("")
            self.assertEqual((answer.json, [line["message"] for line in answer.lines]), ([1], ["line"]))
            failure = shim.invoke("why").header
            self.assertEqual((failure["kind"], failure["message"]), ("error", "ValueError: why"))
            self.assertIn("in handler", failure["stack"])
            self.assertNotIn("cloudbox", failure["stack"])
            shim.end()
            self.assertEqual(shim.logs, b"printed\nprinted\n")

    def test_coroutines_and_large_bodies(self):
        with Shim("import asyncio\nasync def handler(data, context):\n    await asyncio.sleep(0)\n    return data") as shim:
            shim.load(isolation="process")
            for size in (1, 100000, 1000000):
                self.assertEqual(shim.invoke("x" * size, max_response_bytes=1 << 22).json, "x" * size)

    def test_the_requests_and_the_parent_are_out_of_reach(self):
        lines = ["tries = []", "parent = '/proc/%d' % os.getppid()",
                 "for path in (parent + '/fd/64', parent + '/fd/65', parent + '/mem', parent + '/environ', '/proc/self/fd/64'):",
                 "    try: os.close(os.open(path, os.O_RDWR if path.endswith('fd/65') else os.O_RDONLY)); tries.append(path)",
                 "    except OSError: pass",
                 "return [tries, os.path.exists('/proc/self/fd/1')]"]
        with Shim(code(*lines)) as shim:
            shim.load(isolation="process")
            # Who runs the tests as root may look anywhere.
            expected = shim.invoke().json[0] if os.getuid() == 0 else []
            self.assertEqual(shim.invoke().json, [expected, True])
            self.assertNotIn("/proc/self/fd/64", expected)

    def test_an_end_without_an_answer_is_the_parents_too(self):
        for line, end in [("sys.exit(3)", 3), ("sys.exit()", 0), ("os._exit(9)", 9), ("os._exit(0)", 0), ("os.abort()", -6),
                          ("os.kill(os.getpid(), signal.SIGKILL)", -9), ("os.kill(os.getpid(), signal.SIGSEGV)", -11),
                          ("os.kill(os.getpid(), signal.SIGTERM)", -15)]:
            with self.subTest(line=line), Shim(code(line)) as shim:
                shim.load(isolation="process")
                self.assertEqual(shim.invoke({}).kind, "end")
                self.assertEqual(shim.end(), end)

    def test_what_a_child_leaves_dies_with_it_or_is_no_answer(self):
        lines = ["threading.Thread(target=time.sleep, args=(600,)).start()",
                 "if os.fork() == 0: return 'forged'", "return data"]
        with Shim(code(*lines)) as shim:
            shim.load(isolation="process")
            for word in ("a", "b"):
                answer = shim.invoke(word)
                self.assertEqual(answer.json, word)

    def test_ignored_children(self):
        with Shim("import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + code("return 1")) as shim:
            shim.load(isolation="process")
            self.assertEqual([shim.invoke().json, shim.invoke().json], [1, 1])

    def test_sockets_with_a_timeout(self):
        with Shim("import socket\nsocket.setdefaulttimeout(0.01)\n" + code("return context.host_call('echo', data)")) as shim:
            shim.load(isolation="process")
            time.sleep(0.05)
            self.assertEqual([shim.invoke(word).json for word in "ab"], ["a", "b"])

    def test_patched_functions(self):
        with Shim("import os\nos.fork = os.waitpid = os._exit = os.getpid = None\ndef handler(data, context): return data") as shim:
            shim.load(isolation="process")
            self.assertEqual([shim.invoke(word).json for word in "ab"], ["a", "b"])


def children(pid):
    """The processes that a process has started, its threads' too."""
    found = []
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, thread)) as file:
            found += [int(child) for child in file.read().split()]
    return found


class Ahead(unittest.TestCase):
    """The process of the next call is there before the call."""

    def test_one_waits_and_takes_the_call(self):
        with Shim("import os\ndef handler(data, context): return os.getpid()") as shim:
            shim.load(isolation="process")
            for _ in range(3):
                [waiting] = children(shim.process.pid)
                self.assertEqual(shim.invoke().json, waiting)
                self.assertTrue(shim.settle())

    def test_the_next_one_is_forked_when_the_call_is_answered(self):
        lines = ["path = '/proc/%d/task/%d/children' % (os.getppid(), os.getppid())",
                 "return [os.getpid(), [int(pid) for pid in open(path).read().split()]]"]
        with Shim(code(*lines)) as shim:
            shim.load(isolation="process")
            for _ in range(3):
                own, there = shim.invoke().json
                self.assertEqual(there, [own])
                self.assertTrue(shim.settle())
                self.assertNotIn(own, children(shim.process.pid))
                self.assertEqual(len(children(shim.process.pid)), 1)

    def left_behind(self, *lines):
        """Code whose calls leave a process that does this when there is another process for the next call, whose id is
        `other`, and then says what it has `found`."""
        return code("caller, path = os.getpid(), '/proc/%d/task/%d/children' % (os.getppid(), os.getppid())",
                    "if os.fork(): return 'answer'", "found, others = [], []",
                    "while not others: others = [pid for pid in open(path).read().split() if int(pid) != caller]",
                    "other = int(others[0])", *lines, "open('found.new', 'w').write(repr(found))", "os.rename('found.new', 'found')",
                    "os._exit(0)")

    def test_one_that_waits_can_not_be_looked_into(self):
        source = self.left_behind(
            "for name in ('fd', 'mem', 'environ'):",
            "    path = '/proc/%d/%s' % (other, name)",
            "    try: found.append(os.listdir(path) if name == 'fd' else open(path, 'rb').read(1) and path)",
            "    except PermissionError: found.append(None)",
            "    except OSError: found.append('gone')")
        with Shim(source) as shim:
            shim.load(isolation="process")
            self.assertEqual(shim.invoke().json, "answer")
            path = os.path.join(shim.code_dir, "found")
            while not os.path.exists(path):
                time.sleep(0.01)
            if os.getuid() != 0:  # Who runs the tests as root may look anywhere.
                with open(path) as file:
                    self.assertEqual(file.read(), "[None, None, None]")

    def test_randomness_differs_from_call_to_call(self):
        head = "import os, random, secrets, tempfile, uuid\nrandom.seed(7)\nrandom.random()\n"
        line = "return [random.random(), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(8).hex(), secrets.token_hex(8), tempfile.mktemp()]"
        with Shim(head + code(line)) as shim:
            shim.load(isolation="process")
            for values in zip(*(shim.invoke().json for _ in range(4))):
                self.assertEqual(len(set(values)), 4, values)

    def test_time_and_deadline_are_those_of_the_call(self):
        with Shim("import time\ndef handler(data, context): return [time.time(), context.get_remaining_time_in_millis()]") as shim:
            shim.load(isolation="process")
            time.sleep(0.3)
            before = time.time()
            now, left = shim.invoke().json
            self.assertGreaterEqual(now, before)
            self.assertGreater(left, 0)

    def test_one_that_is_killed_while_it_waits_ends_the_shim(self):
        with Shim(code("return 1")) as shim:
            shim.load(isolation="process")
            os.kill(children(shim.process.pid)[0], signal.SIGKILL)
            self.assertEqual((shim.read().kind, shim.end()), ("end", -9))

    def test_a_call_can_kill_the_next_ones_process_and_no_more(self):
        with Shim(self.left_behind("os.kill(other, signal.SIGKILL)")) as shim:
            shim.load(isolation="process")
            self.assertEqual(shim.invoke().json, "answer")
            self.assertTrue(shim.settle(), "the shim does not know yet")
            self.assertEqual((shim.read().kind, shim.end()), ("end", -9))

    def test_replies_that_come_while_the_call_ends(self):
        lines = ["came = threading.Event()", "def one(): context.host_call('large', None); came.set()",
                 "for _ in range(data): threading.Thread(target=one, daemon=True).start()", "came.wait(data)", "return data"]
        for head in ("", "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"):
            with self.subTest(head=head), Shim(head + code(*lines)) as shim:
                shim.load(isolation="process")
                shim.on_call = lambda call: shim.reply(call, "x" * 1000000)
                for count in (20, 0, 20, 1):
                    self.assertEqual(shim.invoke(count).json, count)

    def test_replies_that_came_too_late_are_nobodys(self):
        lines = ["for _ in range(data): threading.Thread(target=context.host_call, args=('slow', None), daemon=True).start()",
                 "time.sleep(0.05)", "return data"]
        with Shim(code(*lines)) as shim:
            shim.load(isolation="process")
            late = []
            shim.on_call = late.append
            for count in (3, 0, 2, 1):
                self.assertEqual(shim.invoke(count).json, count)
                for call in late:
                    shim.reply(call, "x" * 1000)
                late.clear()

    def test_the_end_of_the_requests_ends_both(self):
        with Shim(code("return 1")) as shim:
            shim.load(isolation="process")
            waiting = children(shim.process.pid)
            self.assertEqual(shim.end(), 0)
            self.assertEqual([pid for pid in waiting if os.path.exists("/proc/%d" % pid)], [])


# Counts in all of the process's memory what looks like a marked reply.
SEARCH = """
import re, threading, time
def marks():
    count, pattern = 0, re.compile(rb"zq[0-9]{12}zq")
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            if " r" not in line or "[v" in line:
                continue
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            memory.seek(start)
            count += len(pattern.findall(memory.read(end - start)))
    return count
def handler(data, context):
    if data == "leave":
        threading.Thread(target=context.host_call, args=("slow", None), daemon=True).start()
        time.sleep(0.05)
    elif data:
        kept = context.host_call("echo", None)
    return marks()
"""


class Memory(unittest.TestCase):
    """A call finds no byte of a reply to an earlier one in its memory, which is a copy of the parent's."""

    def check(self, reply):
        for size in (100, 30000, 300000):
            with self.subTest(size=size), Shim(SEARCH) as shim:
                shim.load(isolation="process")
                for turn in range(3):
                    reply(shim, "".join("zq%012dzq" % (turn * 100000 + number) for number in range(size // 16)))
                    self.assertEqual([shim.invoke("").json for _ in range(3)], [0, 0, 0])

    def test_replies_are_not_kept(self):
        def reply(shim, marked):
            shim.on_call = lambda call: shim.reply(call, marked)
            self.assertGreater(shim.invoke("call").json, 0, "the search finds them where they are")

        self.check(reply)

    def test_replies_that_nobody_waits_for_are_not_kept(self):
        def reply(shim, marked):
            late = []
            shim.on_call = late.append
            self.assertEqual(shim.invoke("leave").json, 0)
            shim.reply(late[0], marked)

        self.check(reply)


class Survivors(unittest.TestCase):
    def survivors(self, *lines, head="", calls=2):
        with Shim(head + code(*lines)) as shim:
            self.assertEqual(shim.load().kind, "loaded")
            answers = [shim.invoke({}) for _ in range(calls)]
            for answer in answers:
                self.assertEqual(answer.kind, "result", answer.header)
            return answers[-1].header.get("survivors")

    def test_left(self):
        for lines in (["threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"],
                      ["import _thread; _thread.start_new_thread(time.sleep, (600,)); time.sleep(0.05)"],
                      ["threading.Timer(600, print).start()"]):
            with self.subTest(lines=lines):
                self.assertEqual(self.survivors(*lines, calls=1), ["thread"])
        task = "import asyncio\nasync def handler(data, context):\n    asyncio.ensure_future(asyncio.sleep(600))\n"
        with Shim(task) as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).header["survivors"], ["task"])
        with Shim(code("threading.Thread(target=time.sleep, args=(600,)).start()", "raise ValueError('x')")) as shim:
            shim.load()
            self.assertEqual(shim.invoke({}).header["survivors"], ["thread"])

    def test_not_left(self):
        start = "threading.Thread(target=time.sleep, args=(%s,)).start()"
        for lines in (["t = threading.Thread(target=time.sleep, args=(0.001,)); t.start(); t.join()"], [start % "0.001"],
                      ["from concurrent.futures import ThreadPoolExecutor as T",
                       "with T(4) as pool: return list(pool.map(abs, range(9)))"]):
            with self.subTest(lines=lines):
                self.assertIsNone(self.survivors(*lines))
        self.assertIsNone(self.survivors("return 1", head="import threading, time\n" + start % "600" + "\n"))
        code = "import asyncio\nasync def handler(data, context):\n    return await asyncio.get_running_loop().run_in_executor(None, abs, -1)\n"
        with Shim(code) as shim:
            shim.load()
            for _ in range(3):
                answer = shim.invoke({})
                self.assertEqual((answer.json, answer.header.get("survivors")), (1, None))


if __name__ == "__main__":
    unittest.main()
