import time


def handler(data, context):
    while data["how"] == "spin":
        pass
    if data["how"] == "sleep":
        print("sleeping")
        time.sleep(60)
    return "fine"
