"""Host calls: from threads, coroutines and forked children; replies in any order, bounds, errors, leftovers."""
import time
import unittest

from shim_process import Shim


def code(*lines, head="import threading, asyncio, sys, os"):
    """Code with a handler of these lines, in which `call` makes host calls."""
    return head + "\ndef handler(data, context):\n    call = context.host_call\n    " + "\n    ".join(lines)


def coroutine(*lines):
    """The same with `async def`."""
    return code(*lines).replace("def handler", "async def handler").replace("host_call", "host_call_async")


class Host(unittest.TestCase):
    def check(self, source, expected, on_call=None, data=None, calls=2):
        for isolation in ("version", "process"):
            with self.subTest(isolation=isolation), Shim(source) as shim:
                self.assertEqual(shim.load(isolation=isolation).kind, "loaded", shim.logs)
                for _ in range(calls):
                    if on_call is not None:
                        shim.on_call = on_call(shim)
                    answer = shim.invoke(data)
                    self.assertEqual(answer.kind, "result", answer.header)
                    self.assertEqual((answer.json, answer.header.get("survivors")), (expected, None))

    def test_results_and_errors(self):
        def on_call(shim):
            return lambda call: (shim.reply(call, call.json) if call.header["method"] == "echo"
                                 else shim.reply(call, {"code": "NO", "message": "not so"}, ok=False))

        lines = ["try: call('bad.one', 1)", "except Exception as error: told = [type(error).__name__, error.code, str(error)]",
                 "return [call('echo', {'a': ['\\u20ac']}), call('echo'), told]"]
        expected = [{"a": ["\u20ac"]}, None, ["HostCallError", "NO", "not so"]]
        self.check(code(*lines), expected, on_call)
        asynchronous = [line.replace("call('", "await call('") for line in lines]
        self.check(coroutine(*asynchronous), expected, on_call)

    def held(self, count):
        def on_call(shim):
            calls = []

            def hold(call):
                calls.append(call)
                if len(calls) == count:
                    for one in reversed(calls):
                        shim.reply(one, one.json * 2)
            return hold
        return on_call

    def test_many_coroutines_answered_last_first(self):
        source = coroutine("return await asyncio.gather(*[call('echo', number) for number in range(64)])")
        self.check(source, [number * 2 for number in range(64)], self.held(64))

    def test_many_threads_answered_last_first(self):
        lines = ["found = {}", "def one(number): found[number] = call('echo', number)",
                 "threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]",
                 "for thread in threads: thread.start()", "for thread in threads: thread.join()",
                 "return [found[number] for number in range(20)]"]
        self.check(code(*lines), [number * 2 for number in range(20)], self.held(20))

    def test_threads_beside_a_loop(self):
        source = code(
            "loop = asyncio.get_event_loop()",
            "work = [loop.run_in_executor(None, call, 'echo', n) for n in range(4)]",
            "return await asyncio.gather(*work, *[context.host_call_async('echo', n) for n in range(4)])").replace("def handler", "async def handler")
        self.check(source, [0, 2, 4, 6] * 2, self.held(8))

    def test_more_than_the_service_takes_at_once_wait(self):
        most = [0]

        def on_call(count):
            def make(shim):
                calls = []

                def hold(call):
                    calls.append(call)
                    most[0] = max(most[0], len(calls))
                    if len(calls) == count:
                        for one in calls:
                            shim.reply(one, len(one.body))
                        del calls[:]
                return hold
            return make

        self.check(coroutine("return len(await asyncio.gather(*[call('echo', n) for n in range(256)]))"), 256, on_call(64))
        self.assertEqual(most, [64])
        most[0] = 0
        large = "return len(await asyncio.gather(*[call('echo', 'x' * ((1 << 20) - 2)) for n in range(16)]))"
        self.check(coroutine(large), 16, on_call(8))
        self.assertEqual(most, [8])

    def test_arguments_that_can_not_be_sent(self):
        for line, told in [("call('echo', 'x' * (1 << 20))", "echo: the arguments have 1048578 bytes, the limit is 1048576"),
                           ("call('echo', object())", "Object of type object is not JSON serializable")]:
            self.check(code("try: " + line, "except Exception as error: return str(error)"), told)

    def test_what_nobody_waits_for_is_dropped(self):
        thread = code("if data != 'leave': return call('echo', data)",
                      "threading.Thread(target=lambda: call('never')).start()",
                      "while call('echo', 1) != 1: pass", "return 'left'")
        task = coroutine("if data != 'leave': return await call('echo', data)",
                         "asyncio.ensure_future(call('never'))", "await call('echo', 1)", "return 'left'")
        for source in (thread, task):
            for isolation in ("version", "process"):
                with self.subTest(isolation=isolation), Shim(source) as shim:
                    shim.load(isolation=isolation)
                    late = []

                    def on_call(call):
                        if call.header["method"] == "never":
                            late.append(call)
                        else:
                            shim.reply(call, call.json)

                    shim.on_call = on_call
                    for _ in range(3):
                        answer = shim.invoke("leave")
                        self.assertEqual((answer.json, answer.header.get("survivors")), ("left", None))
                        # The service would not send it any more; if it did, nobody would be misled.
                        if late:
                            shim.reply(late.pop(), "late")
                        self.assertEqual(shim.invoke("mine").json, "mine")

    def test_not_after_the_answer(self):
        source = code("kept.append(call)", "try: return kept[0]('echo', 1)", "except Exception as error: return str(error)",
                      head="kept = []")
        with Shim(source) as shim:
            shim.load()
            self.assertEqual(shim.invoke().json, 1)
            why = "echo: a host call can be made only while a handler runs, for the call that it runs for"
            self.assertEqual(shim.invoke().json, why)

    def test_large_results(self):
        self.check(code("return len(call('echo', data))"), 3 << 20,
                   lambda shim: lambda call: shim.reply(call, "x" * (3 << 20)))

    def test_a_signal_while_it_waits(self):
        lines = ["threading.Timer(20, os._exit, (1,)).start()", "found = []",
                 "def nested(*_):", "    try: call('inner')", "    except Exception as error: found.append(error.code)",
                 "signal.signal(signal.SIGALRM, nested)", "signal.setitimer(signal.ITIMER_REAL, 0.05)",
                 "return [call('outer', 1), found, call('after', 2)]"]
        with Shim(code(*lines, head="import os, signal, threading")) as shim:
            shim.load(isolation="process")
            shim.on_call = lambda call: (time.sleep(0.2), shim.reply(call, call.json))
            self.assertEqual(shim.invoke().json, [1, ["NESTED_CALL"], 2])

    def test_an_end_while_it_waits(self):
        with Shim(code("threading.Timer(0.02, os._exit, (3,)).start()", "call('never')")) as shim:
            shim.load()
            shim.on_call = lambda call: None
            self.assertEqual((shim.invoke().kind, shim.end()), ("end", 3))
        for isolation in ("version", "process"):
            with self.subTest(isolation=isolation), Shim(code("call('never')")) as shim:
                shim.load(isolation=isolation)
                shim.on_call = lambda call: shim.end()
                self.assertEqual((shim.invoke().kind, shim.process.wait()), ("end", 0))


if __name__ == "__main__":
    unittest.main()
