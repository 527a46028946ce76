"""Several calls at once: each has its own answer, logs, host calls and pieces."""
import time
import unittest

from shim_calls import Calls
from shim_process import Shim

# What a handler of these lines finds: `wait()` ends when another call says `{"open": name}`.
GATES = """
import asyncio, os, sys, threading, time, gc, signal
gates = {}
def gate(name):
    return gates.setdefault(name, asyncio.Event())
async def handler(data, context):
    if data.get("open"):
        gate(data["open"]).set()
        return "opened"
    async def wait():
        await gate(data["wait"]).wait()
    %s
"""


def code(*lines):
    return GATES % "\n    ".join(lines)


class Several(unittest.TestCase):
    def test_answers_come_in_any_order(self):
        with Calls(code("await wait()", "return data['wait']")) as shim:
            self.assertEqual(shim.load().header["concurrency"], 8)
            a, b = shim.start({"wait": "a"}), shim.start({"wait": "b"})
            shim.start({"open": "b"})
            self.assertEqual(shim.answer(b).json, "b")
            self.assertIsNone(a.answer)
            shim.start({"open": "a"})
            self.assertEqual(shim.answer(a).json, "a")

    def test_handlers_that_block_have_calls_one_at_a_time(self):
        for source in ("def handler(data, context):\n    print('printed', end='')\n    return 1",
                       "def app(environ, start_response):\n    print('printed', end='')\n    start_response('200 OK', [])\n    return [b'1']"):
            with self.subTest(source=source), Shim(source) as shim:
                self.assertNotIn("concurrency", shim.load(concurrency=8).header)
                for _ in range(2):
                    self.assertEqual(shim.invoke({}, mode="http").body, b"1")
                shim.end()
                lines = shim.logs.decode("utf-8").split("\n")
                self.assertEqual((len(lines), lines[1]), (2, "printedprinted"))
                self.assertIn("one at a time", lines[0])

    def test_without_concurrency_all_is_as_it_was(self):
        for options in ({}, {"concurrency": 1}):
            with self.subTest(options=options), Shim("async def handler(data, context):\n    print('to the pipe')\n    return 1") as shim:
                self.assertNotIn("concurrency", shim.load(**options).header)
                self.assertEqual(shim.invoke({}).body, b"1")
                shim.end()
                self.assertEqual(shim.logs, b"to the pipe\n")

    def test_prints_are_the_calls_own_in_order_and_before_its_answer(self):
        lines = ["print(data['wait'], 1)", "context.log('line')", "await wait()", "print(data['wait'], end=' ', file=sys.stderr)",
                 "async def late():", "    await asyncio.sleep(0.05)", "    print('late')",
                 "asyncio.ensure_future(late())", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            calls = [shim.start({"wait": name}) for name in "ab"]
            shim.until(lambda: all(call.kinds == ["output", "log"] for call in calls))
            for name in "ba":
                shim.start({"open": name})
            shim.answer(*calls)
            for call, name in zip(calls, "ab"):
                self.assertEqual((call.kinds, call.output), (["output", "log", "output", "result"], "%s 1\n%s " % (name, name)))
            # Nobody's any more: it goes where the prints of no call go.
            while shim.logs != b"late\nlate\n":
                time.sleep(0.01)

    def test_prints_of_any_length_of_loggers_and_of_threads(self):
        head = "import logging, concurrent.futures, contextvars\nlogging.basicConfig(format='%(message)s')\n"
        lines = ["sys.stdout.write('x' * 200000)", "sys.stdout.flush()", "logging.warning('logged')", "sys.stdout.buffer.write(b'bytes\\n')",
                 "here = contextvars.copy_context()",
                 "await asyncio.get_event_loop().run_in_executor(None, here.run, print, 'a thread of the call')",
                 "await asyncio.get_event_loop().run_in_executor(None, print, 'a thread')", "os.write(1, b'raw\\n')", "return 1"]
        with Calls(head + code(*lines)) as shim:
            shim.load()
            call = shim.start({})
            shim.answer(call)
            self.assertEqual([len(frame.body) for frame in call.frames][:4], [65536, 65536, 65536, 3392])
            self.assertEqual(call.output[200000:], "logged\nbytes\na thread of the call\n")
            shim.end()
            self.assertEqual(shim.logs, b"a thread\nraw\n")

    def test_host_calls_of_two_calls_last_first(self):
        lines = ["return await asyncio.gather(*[context.host_call_async('echo', [data['wait'], n]) for n in range(3)])"]
        with Calls(code(*lines)) as shim:
            shim.load()
            held = []
            shim.on_call = held.append
            a, b = shim.start({"wait": "a"}), shim.start({"wait": "b"})
            shim.until(lambda: len(held) == 6)
            for one in reversed(held):
                shim.reply(one, one.json)
            self.assertEqual([one.json for one in shim.answer(a, b)], [[[name, n] for n in range(3)] for name in "ab"])

    def test_a_host_call_that_blocks_the_loop(self):
        lines = ["if 'wait' in data:", "    await wait()", "    return 'let go'",
                 "own = context.host_call('echo', 1)", "found = []",
                 "thread = threading.Thread(target=lambda: found.append(context.host_call('echo', 2)))", "thread.start()", "thread.join()",
                 "def other():", "    async def ask():", "        found.append(await context.host_call_async('echo', 3))",
                 "    asyncio.new_event_loop().run_until_complete(ask())",
                 "thread = threading.Thread(target=other)", "thread.start()", "thread.join()", "return [own] + found"]
        with Calls(code(*lines)) as shim:
            shim.load()
            a = shim.start({"wait": "a"})
            calls = []

            def on_call(call):
                # A request between, which comes when the loop goes on.
                calls.append(shim.start({"open": "a"}))
                shim.reply(call, call.json)

            shim.on_call = on_call
            b = shim.start({})
            self.assertEqual([one.json for one in shim.answer(b, a)], [[1, 2, 3], "let go"])
            self.assertEqual([one.json for one in shim.answer(*calls)], ["opened"] * 3)

    def test_bounds_hold_for_all_calls_and_an_answer_frees_its_own(self):
        lines = ["if data.get('never'):", "    for n in range(64): asyncio.ensure_future(context.host_call_async('never', n))",
                 "    await wait()", "    return 'left'", "return await context.host_call_async('echo', 1)"]
        with Calls(code(*lines)) as shim:
            shim.load()
            seen = []

            def on_call(call):
                seen.append(call.header["method"])
                if seen[-1] == "echo":
                    shim.reply(call, call.json)

            shim.on_call = on_call
            a = shim.start({"never": True, "wait": "a"})
            shim.until(lambda: len(seen) == 64)
            b = shim.start({})
            shim.answer(shim.start({"open": "x"}))
            self.assertEqual((len(seen), b.frames), (64, []))
            shim.start({"open": "a"})
            self.assertEqual([one.json for one in shim.answer(a, b)], ["left", 1])
            last = shim.answer(shim.start({"open": "x"}))
            # Who waits for a reply is told that there is none, and is no survivor.
            self.assertNotIn("survivors", last.header)

    def test_a_slow_reader_of_one_answer_holds_up_no_other(self):
        slow_generator = ["if data.get('stream'):", "    async def pieces():", "        for n in range(5): yield str(n)",
                          "        yield b'x' * 600000", "    return {'statusCode': 200, 'body': pieces()}", "return 'quick'"]
        generator = [line.replace("async def", "def") for line in slow_generator]
        for lines in (slow_generator, generator):
            with self.subTest(lines=lines), Calls(code(*lines)) as shim:
                shim.load()
                slow = shim.start({"stream": True}, takes=False, mode="http", may_stream=True)
                fast = shim.start({"stream": True}, mode="http", may_stream=True)
                self.assertEqual((shim.answer(fast).header["last"], len(fast.pieces)), (True, 8))
                self.assertEqual(shim.answer(shim.start({})).json, "quick")
                self.assertEqual(slow.pieces, [b"0", b"1"])
                shim.taken(slow)
                shim.until(lambda: len(slow.pieces) == 3)
                shim.answer(shim.start({}))
                self.assertEqual(len(slow.pieces), 3)
                slow.takes = True
                shim.taken(slow)
                shim.taken(slow)
                shim.answer(slow)
                self.assertEqual(b"".join(slow.pieces), b"01234" + b"x" * 600000)

    def test_asgi_applications(self):
        source = """
import asyncio
begun = []
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        begun.append(await receive())
        await send({"type": "lifespan.startup.complete"})
        await receive()
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    await asyncio.sleep(0.01)
    print(body.decode(), len(begun))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for n in range(4):
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body"})
"""
        with Calls(source) as shim:
            loaded = shim.load()
            self.assertEqual((loaded.header["handler_style"], loaded.header["concurrency"]), ("asgi", 8))
            slow = shim.start(b"slow", takes=False, mode="http", may_stream=True)
            calls = [shim.start(b"%d" % n, mode="http", may_stream=True) for n in range(6)]
            shim.answer(*calls)
            for n, call in enumerate(calls):
                self.assertEqual((call.output, b"".join(call.pieces)), ("%d 1\n" % n, b"%d" % n * 4))
            self.assertEqual(slow.pieces, [b"slow", b"slow"])
            # Uploads: their pieces come in turns.
            left = {}

            def on_call(call):
                left[call.header["nonce"]] = left.get(call.header["nonce"], 3) - 1
                held.append((call, b"%d " % left[call.header["nonce"]] if left[call.header["nonce"]] else b""))
                if len(held) == 2:
                    for one, piece in reversed(held):
                        shim.reply(one, piece)
                    del held[:]

            held = []
            shim.on_call = on_call
            uploads = [shim.start(b"", mode="http", has_upload=True) for _ in range(2)]
            self.assertEqual([one.body for one in shim.answer(*uploads)], [b"2 1 " * 4] * 2)

    def test_a_failure_is_that_of_its_call(self):
        for lines, message in [
            (["raise TypeError('bad')"], "TypeError: bad"), (["raise KeyboardInterrupt()"], "KeyboardInterrupt"),
            (["asyncio.current_task().cancel()", "await asyncio.sleep(1)"], "CancelledError"),
            (["return {'statusCode': 999}"], "statusCode 999"), (["return object()"], "can't be sent"),
        ]:
            source = code("if data.get('wait'):", "    await wait()", "    return 'well'", *lines)
            with self.subTest(lines=lines), Calls(source) as shim:
                shim.load()
                other, bad = shim.start({"wait": "a"}), shim.start({}, mode="http")
                failure = shim.answer(bad)
                self.assertEqual(failure.kind, "failure")
                self.assertIn(message, failure.header["message"])
                self.assertNotIn("survivors", failure.header)
                shim.start({"open": "a"})
                self.assertEqual(shim.answer(other).json, "well")

    def test_a_stream_breaks_off(self):
        lines = ["async def pieces():", "    for n in range(3): yield str(n)", "    raise ValueError('half way')",
                 "return {'statusCode': 200, 'body': pieces()}"]
        with Calls(code(*lines)) as shim:
            shim.load()
            call = shim.start({}, mode="http", may_stream=True)
            self.assertEqual(shim.answer(call).header["failure"]["message"], "ValueError: half way")
            self.assertEqual(call.pieces, [b"0", b"1", b"2"])

    def test_what_no_call_can_be_named_for_fails_all(self):
        lines = ["if data.get('bad'):", "    def stop(*_): raise KeyboardInterrupt()", "    signal.signal(signal.SIGALRM, stop)",
                 "    signal.setitimer(signal.ITIMER_REAL, 0.05)", "await asyncio.sleep(60)"]
        with Calls(code(*lines)) as shim:
            shim.load()
            answers = shim.answer(*[shim.start(data) for data in ({}, {}, {"bad": True})])
            self.assertEqual([one.header["message"] for one in answers], ["KeyboardInterrupt"] * 3)
            told = [one.header.get("survivors") for one in answers]
            self.assertEqual((told[:2], told[2][0]), ([None, None], "exception"))

    def test_survivors_are_told_beside_no_other_call(self):
        lines = ["if data.get('leave'): asyncio.ensure_future(asyncio.sleep(60))",
                 "if data.get('cancel'): asyncio.ensure_future(asyncio.sleep(60)).cancel()",
                 "if data.get('thread'): await asyncio.get_event_loop().run_in_executor(None, time.sleep, 0)",
                 "if data.get('wait'): await wait()", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            for data in ({}, {"cancel": True}, {"thread": True}, {}):
                self.assertNotIn("survivors", shim.answer(shim.start(data)).header)
            other = shim.start({"wait": "a"})
            self.assertNotIn("survivors", shim.answer(shim.start({"leave": True})).header)
            opener = shim.start({"open": "a"})
            told = [one.header["survivors"] for one in shim.answer(other, opener) if "survivors" in one.header]
            self.assertEqual(told, [["task"]])

    def test_finalizers_and_signals_print_and_call(self):
        lines = ["class Loud:", "    def __del__(self): print('finalized')",
                 "def tick(*_): print('tick'); context.log('tick')", "signal.signal(signal.SIGALRM, tick)",
                 "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
                 "for n in range(3000):", "    loud = Loud(); loud.me = loud", "    print(n)",
                 "    if n % 100 == 0: await context.host_call_async('echo', n); gc.collect()",
                 "signal.setitimer(signal.ITIMER_REAL, 0)", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            calls = [shim.start({}) for _ in range(2)]
            self.assertEqual([one.json for one in shim.answer(*calls)], [1, 1])

    def test_finalizers_of_threads_make_host_calls(self):
        lines = ["import contextvars", "class Asks:", "    def __del__(self):", "        try: context.host_call('echo', 1)", "        except Exception: pass",
                 "def work():", "    for n in range(100):", "        asks = Asks(); asks.me = asks; print(n); del asks", "        if n % 10 == 0: gc.collect()",
                 "loop = asyncio.get_event_loop()",
                 "await asyncio.gather(*[loop.run_in_executor(None, contextvars.copy_context().run, work) for _ in range(3)])", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            calls = [shim.start({}) for _ in range(2)]
            self.assertEqual([one.json for one in shim.answer(*calls)], [1, 1])

    def test_threads_of_two_calls_print_at_once(self):
        lines = ["import contextvars", "def work():", "    for n in range(2000): print(data['wait'] * 50)",
                 "loop = asyncio.get_event_loop()",
                 "await asyncio.gather(*[loop.run_in_executor(None, contextvars.copy_context().run, work) for _ in range(3)])", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            calls = [shim.start({"wait": name}) for name in "ab"]
            shim.answer(*calls)
            for call, name in zip(calls, "ab"):
                self.assertEqual((set(call.output), len(call.output)), ({name, "\n"}, 6000 * 51))

    def test_a_forked_child_has_nothing_to_say(self):
        lines = ["if os.fork() == 0:", "    print('child'); context.log('child')", "    return 2", "os.wait()", "return 1"]
        with Calls(code(*lines)) as shim:
            shim.load()
            call = shim.start({})
            self.assertEqual((shim.answer(call).json, call.kinds), (1, ["result"]))
            self.assertEqual(shim.answer(shim.start({"open": "x"})).json, "opened")
            shim.end()
            self.assertEqual(shim.logs, b"child\n")

    def test_many_at_once(self):
        lines = ["print(data['n'])", "await asyncio.sleep(data['n'] % 7 / 1000)", "print(data['n'])", "return await context.host_call_async('echo', data['n'])"]
        with Calls(code(*lines)) as shim:
            shim.load(concurrency=100)
            calls = [shim.start({"n": n}) for n in range(100)]
            shim.answer(*calls)
            for n, call in enumerate(calls):
                self.assertEqual((call.answer.json, call.output), (n, "%d\n%d\n" % (n, n)))

    def test_the_end_of_the_requests_is_the_end(self):
        for lines in (["await asyncio.sleep(60)"], ["await context.host_call_async('never')"], ["context.host_call('never')"]):
            with self.subTest(lines=lines), Calls(code(*lines)) as shim:
                shim.load()
                shim.on_call = lambda call: None
                shim.start({})
                if "host_call(" not in lines[0]:
                    shim.answer(shim.start({"open": "a"}))
                self.assertEqual(shim.end(), 0)

    def test_exits(self):
        for lines in (["sys.exit(3)"], ["asyncio.get_event_loop().call_soon(sys.exit, 3)", "await asyncio.sleep(60)"]):
            with self.subTest(lines=lines), Calls(code(*lines)) as shim:
                shim.load()
                shim.start({})
                self.assertEqual((shim.read().kind, shim.end()), ("end", 3))

    def test_a_loop_that_is_stopped_goes_on(self):
        with Calls(code("asyncio.get_event_loop().stop()", "await asyncio.sleep(0.01)", "return 1")) as shim:
            shim.load()
            self.assertEqual(shim.answer(shim.start({})).json, 1)


if __name__ == "__main__":
    unittest.main()
