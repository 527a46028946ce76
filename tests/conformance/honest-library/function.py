# What honest code uses of the language's own library. Each idiom is true, or raises.
import base64, bz2, ctypes, datetime, decimal, difflib, email.message, gzip, hashlib, hmac, html, importlib, io, json, logging, lzma
import random, re, secrets, sqlite3, ssl, statistics, struct, unicodedata, urllib.parse, xml.etree.ElementTree, zlib

TEXT = ("Grüße " * 10000).encode()


def database():
    with sqlite3.connect("/tmp/honest.db") as one:
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT)")
        one.executemany("INSERT INTO t (b) VALUES (?)", [("ü",)] * 100)
    with sqlite3.connect("/tmp/honest.db") as other:
        count = other.execute("SELECT count(*) FROM t WHERE b = 'ü'").fetchone()[0]
    one.close()
    other.close()
    return count >= 100


def passwords():
    key = hashlib.pbkdf2_hmac("sha256", b"a", b"b", 1000)
    return len(key) == 32 and (not hasattr(hashlib, "scrypt") or len(hashlib.scrypt(b"a", salt=b"b", n=1024, r=8, p=1)) == 64)


def message():
    letter = email.message.EmailMessage()
    letter["Subject"] = "Grüße"
    letter.set_content("text")
    return b"=?utf-8?" in letter.as_bytes()


def logged():
    stream = io.StringIO()
    logger = logging.getLogger("honest")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.warning("said %s", 1)
    logger.removeHandler(handler)
    return stream.getvalue() == "said 1\n"


IDIOMS = {
    "compression": lambda: all(module.decompress(module.compress(TEXT)) == TEXT for module in (zlib, gzip, bz2, lzma)),
    "hashes": lambda: hashlib.sha256(b"a").hexdigest().startswith("ca978112") and hashlib.md5(b"").digest() and hashlib.sha3_256(b"").digest() and hashlib.blake2b(b"").digest() and hmac.new(b"k", b"a", "sha1").digest(),
    "keys from passwords": passwords,
    "random": lambda: len({secrets.token_hex(), secrets.token_hex(), random.random(), random.SystemRandom().random()}) == 4,
    "TLS": lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).minimum_version and ssl.OPENSSL_VERSION,
    "database": database,
    "numbers": lambda: decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3") and statistics.mean([1, 2, 3]) == 2 and 2**1000 > 0 and struct.pack(">I", 1) == b"\0\0\0\1",
    "expressions": lambda: re.search(r"(?P<year>\d{4})", "in 2024")["year"] == "2024" and difflib.get_close_matches("appel", ["apple"]),
    "words": lambda: unicodedata.normalize("NFKC", "ﬁ") == "fi" and html.escape("<") == "&lt;" and "straße".casefold() == "strasse",
    "formats": lambda: json.loads('{"a": [1.5, null]}')["a"][1] is None and xml.etree.ElementTree.fromstring("<a><b>1</b></a>").findtext("b") == "1" and base64.b64encode(b"hi") == b"aGk=",
    "dates": lambda: datetime.datetime(2024, 2, 29).strftime("%A") == "Thursday" and datetime.date.fromisoformat("2024-02-29").isocalendar()[1] == 9,
    "letters and addresses": lambda: message() and urllib.parse.urlencode({"a": "b c"}) == "a=b+c",
    "the C library": lambda: ctypes.CDLL(None).abs(-5) == 5 and ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)(1) == 2,
    "modules": lambda: logged() and importlib.import_module("wave") and importlib.util.find_spec("nothing_of_this_name") is None,
}


def handler(data, context):
    failed = {}
    for name, idiom in IDIOMS.items():
        try:
            assert idiom()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    return {"count": len(IDIOMS), "failed": failed}
