import os


def handler(data, context):
    if data["code"] < 0:
        return "fine"
    print("leaving", flush=True)
    os._exit(data["code"])
