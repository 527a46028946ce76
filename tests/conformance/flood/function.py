import sys

BLOCK = "x" * ((1 << 20) - 1) + "\n"


def handler(data, context):
    for _ in range(data["mb"]):
        sys.stdout.write(BLOCK)
    return "done"
