# What a call may leave running. Each says its word again and again, and writes it down.
import asyncio
import os
import subprocess
import sys
import threading
import time

PROGRAM = """
import os, time
while True:
    open("/tmp/left", "a").write("x")
    os.write(1, b"%s\\n")
    time.sleep(0.001)
"""


def say(word):
    while True:
        with open("/tmp/left", "a") as file:
            file.write("x")
        print(word)
        time.sleep(0.001)


def thread(word):
    threading.Thread(target=say, args=(word,), daemon=True).start()


def bare_thread(word):
    import _thread

    _thread.start_new_thread(say, (word,))
    time.sleep(0.01)


def timer(word):
    threading.Timer(0.01, say, (word,)).start()


def child(word):
    subprocess.Popen([sys.executable, "-c", PROGRAM % word])


def daemon(word):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say(word)
        os._exit(0)
    os.wait()


WAYS = {"a thread": thread, "a bare thread": bare_thread, "a timer": timer, "a child": child, "a daemon": daemon}

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)


if os.environ.get("TICKS"):
    threading.Thread(target=tick, daemon=True).start()


def handler(data, context):
    way = data.get("way")
    if way == "ways":
        return list(WAYS)
    if way == "ticks":
        return ticks
    if way is not None:
        WAYS[way](data["word"])
    elif os.path.exists("/tmp/left"):
        return "left"
    return data["word"]
