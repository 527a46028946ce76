"""Answers whose body comes in pieces: generators, iterators, and applications that send bit by bit.

Where the caller takes that, each piece is sent as it comes; else all of it is collected first.
"""
import cloudbox_answer as answer

# Bytes of one frame, as the service takes them.
_MAX_CHUNK = 256 << 10


class Stream:
    """The answer of one call, sent in pieces; `send(kind, header, body)` sends a frame of the call."""

    __slots__ = ("is_begun", "_head", "_send", "_kinds")
    # Whether pieces wait until earlier ones have gone on.
    has_window = False

    def __init__(self, head, send, kinds):
        self.is_begun = False
        self._head, self._send, self._kinds = head, send, kinds

    def begin(self, status, headers):
        """Sends the head; `headers` is a list of names and values."""
        self.is_begun = True
        nonce = self._head["nonce"]
        self._send(self._kinds[0], answer.dumps({"nonce": nonce, "status": status, "headers": headers, "is_streamed": True}), b"")

    def write(self, piece):
        """Sends a piece; waits while the service takes none."""
        header = answer.dumps({"nonce": self._head["nonce"], "last": False})
        for at in range(0, len(piece), _MAX_CHUNK):
            self._send_piece(header, piece[at : at + _MAX_CHUNK])

    def _send_piece(self, header, piece):
        self._send(self._kinds[1], header, piece)

    def is_short(self, headers):
        """Whether an answer with these headers is one that can be collected: it says how long it is."""
        for name, value in headers:
            if name.lower() == "content-length" and value.strip().isdigit():
                return int(value) <= self._head["max_response_bytes"]
        return False


def last_frame(kind, nonce, failure=None):
    """The frame that ends a streamed answer; `failure` is the header that says why it broke off."""
    if failure is None:
        return kind, answer.dumps({"nonce": nonce, "last": True}), b""
    return kind, b'{"nonce":"%s","last":true,"failure":%s}' % (nonce.encode("ascii"), failure), b""


def _bytes_of(piece):
    if isinstance(piece, str):
        return piece.encode("utf-8", "replace")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise answer.Unfit("a piece of the response's body is %s, not text or bytes" % type(piece).__name__)


class _Taker:
    """Takes pieces as they come: sends them, or collects them."""

    def __init__(self, head, value, stream):
        self._head, self._value, self._stream = head, value, stream
        self._held, self._size, self._is_text = [], 0, True

    def take(self, piece):
        data = _bytes_of(piece)
        if self._stream is not None:
            self._begin(isinstance(piece, str))
            self._stream.write(data)
            return
        self._is_text = self._is_text and isinstance(piece, str)
        self._held.append(data)
        self._size += len(data)
        if self._size > self._head["max_response_bytes"]:
            why = "the result has more than %d bytes, which is the limit" % self._head["max_response_bytes"]
            raise answer.Unfit(why, "response_too_large")

    def _begin(self, is_text):
        if not self._stream.is_begun:
            self._stream.begin(*answer.stream_head(self._value, is_text))

    def end(self):
        """The whole value, or None where it was sent."""
        if self._stream is not None:
            self._begin(False)
            return None
        body = b"".join(self._held)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        if text is not None and (self._is_text or self._head["mode"] == "raw"):
            return dict(self._value, body=text, isBase64Encoded=False)
        if self._head["mode"] != "raw":
            return dict(self._value, body=body)
        import base64

        return dict(self._value, body=base64.b64encode(body).decode("ascii"), isBase64Encoded=True)


def take(head, value, stream):
    """The whole value, or None where its pieces were sent; to be awaited where the pieces are."""
    taker = _Taker(head, value, stream)
    body = value["body"]
    if hasattr(type(body), "__anext__"):
        return _take_async(body, taker, stream)
    if stream is not None and stream.has_window:
        return _take_slowly(body, taker, stream)
    try:
        for piece in body:
            taker.take(piece)
    finally:
        if hasattr(body, "close"):
            body.close()
    return taker.end()


async def _take_async(body, taker, stream):
    try:
        async for piece in body:
            taker.take(piece)
            if stream is not None and stream.has_window:
                await stream.wait()
    finally:
        if hasattr(body, "aclose"):
            await body.aclose()
    return taker.end()


async def _take_slowly(body, taker, stream):
    try:
        for piece in body:
            taker.take(piece)
            await stream.wait()
    finally:
        if hasattr(body, "close"):
            body.close()
    return taker.end()
