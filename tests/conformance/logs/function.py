import sys


def handler(data, context):
    print("one")
    print("two", file=sys.stderr)
    print("three: ü")
    return "done"
