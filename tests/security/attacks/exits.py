import os
import signal


def handler(data, context):
    if data["way"] == "exit":
        os._exit(3)
    if data["way"] == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    return data["way"]
