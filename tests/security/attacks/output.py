"""Answers, output and exceptions that nobody would write who meant well."""
import collections
import datetime
import decimal
import enum
import fractions
import sys
import uuid

MB = 1 << 20
circular = {}
circular["self"] = circular
ring = []
ring.append(ring)


class Plain:
    pass


class BadRepr:
    def __repr__(self):
        raise RuntimeError("repr")


class BadStr(Exception):
    def __str__(self):
        raise RuntimeError("str")


class NoStr(Exception):
    def __str__(self):
        return None


class Coded(Exception):
    code = "FORBIDDEN"
    status = 200
    kind = "invalid_response"


class Named(Exception):
    pass


Named.__name__ = "\x1b[2J\r\nforged"


class Odd(dict):
    def items(self):
        raise RuntimeError("items")


class OddInt(int):
    def __repr__(self):
        return "not a number"


class Colour(enum.IntEnum):
    RED = 1


VALUES = [
    lambda: None, lambda: float("nan"), lambda: float("inf"), lambda: -0.0, lambda: 10 ** 4000, lambda: 10 ** 5000,
    lambda: 1e308, lambda: 5e-324, lambda: 2 ** 53 + 1, lambda: 1j, lambda: b"\0\xff", lambda: bytearray(3),
    lambda: {1, 2}, lambda: frozenset(), lambda: (1, 2), lambda: range(3), lambda: iter([]), lambda: (i for i in "ab"),
    lambda: lambda: 1, lambda: Plain, lambda: Plain(), lambda: BadRepr(), lambda: circular, lambda: ring,
    lambda: datetime.datetime.now(), lambda: decimal.Decimal("NaN"), lambda: fractions.Fraction(1, 3), lambda: uuid.uuid4(),
    lambda: {1: 2}, lambda: {None: 1, True: 2, 1.5: 3}, lambda: {(1, 2): 3}, lambda: {b"a": 1}, lambda: "\ud800",
    lambda: "\0\x01\u2028", lambda: "", lambda: Odd(a=1), lambda: OddInt(3), lambda: Colour.RED, lambda: ValueError("not raised"),
    lambda: collections.OrderedDict(b=1, a=2), lambda: collections.namedtuple("N", "a")(1), lambda: sys, lambda: NotImplemented,
    lambda: ..., lambda: memoryview(b"x"), lambda: {"\ud800": "\udfff"},
]


def raised(error):
    def run():
        raise error
    return run


def recursion():
    return recursion() + 1


def chained(depth):
    try:
        if depth:
            chained(depth - 1)
        raise ValueError("deepest")
    except ValueError as error:
        raise ValueError("at %d" % depth) from error


def own_cause():
    error = ValueError("own")
    error.__context__ = Coded("other")
    raise error from error


def leave():
    raise SystemExit("leaving")


EXCEPTIONS = [
    raised(ValueError), raised(ValueError("")), raised(ValueError("x", 1, None)), raised(BadStr("x")), raised(NoStr("x")),
    raised(Coded("coded")), raised(Named("x")), raised(KeyError("\x1b[2J\r\n")), raised(OSError(13, "denied", "/x")),
    raised(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")), raised(ValueError("x" * (10 * MB))), raised(ValueError("\0" * MB)),
    raised(ValueError("\ud800")), raised(ValueError(circular)), raised(StopIteration(1)), raised(StopAsyncIteration()),
    raised(AssertionError()), raised(MemoryError()), raised(RecursionError()), raised(NotImplementedError()), recursion,
    lambda: chained(50), own_cause, lambda: 1 // 0, lambda: [][0], lambda: {}["x"], lambda: None.x, lambda: int("x"),
    lambda: undefined, lambda: eval("1 +"), lambda: __import__("nowhere"), raised(TimeoutError("TIMEOUT")),
    raised(ConnectionError()), lambda: "a" + 1, lambda: b"\xff".decode(), raised(Warning("w")),
]


def flood(mb, to):
    chunk = ("x" * 79 + "\n") * (MB // 80) if to == "lines" else "x" * MB
    out = sys.stderr if to == "stderr" else sys.stdout
    for _ in range(mb):
        out.write(chunk)
    return "kept"


def deep(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def odd(cases, data):
    return len(cases) if "at" not in data else cases[data["at"]]()


def printed(raw):
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
    return "printed"


def handler(data, context):
    way = data["way"]
    if way == "none":
        return "fine"
    if way == "flood":
        return flood(data["mb"], data["to"])
    if way == "text":
        return data["unit"] * data["count"]
    if way == "keys":
        return {"key%d" % number: number for number in range(data["count"])}
    if way == "deep":
        return deep(data["depth"])
    if way == "same":
        return data["value"]
    if way == "value":
        return odd(VALUES, data)
    if way == "exception":
        return odd(EXCEPTIONS, data)
    if way == "print":
        return printed(data["text"].encode("utf-8", "surrogatepass"))
    return printed(bytes.fromhex(data["hex"]))
