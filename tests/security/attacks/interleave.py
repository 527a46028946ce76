import time


def handler(data, context):
    time.sleep(data["ms"] / 1000)
    print(data["word"])
    return {"word": data["word"], "length": len(data["filler"])}
