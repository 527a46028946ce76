# Answers that come late, or to another call.
import os
import threading
import time

leaked = []


def return_twice():
    os.fork()


def log_later(log):
    def work():
        time.sleep(0.01)
        for _ in range(100):
            log("forged")

    threading.Thread(target=work).start()


def handler(data, context):
    way = data.get("way")
    if way == "ways":
        return ["late", "leaked", "fork", "log"]
    if way == "late":
        time.sleep(0.7)
        return "forged"
    if way == "leaked":
        leaked.append(context.log)
    elif way == "fork":
        if os.fork() == 0:
            return "forged"
    elif way == "log":
        log_later(context.log)
    elif leaked:
        leaked[0]("forged")
    return data["word"]
