"""WSGI applications: an environment for each call."""
import io
import sys
from urllib.parse import unquote

from cloudbox_forms import http_answer, plain_headers


class _Input(io.RawIOBase):
    """A body that is read as it comes."""

    def __init__(self, upload):
        super().__init__()
        self._upload, self._rest = upload, b""

    def readable(self):
        """It is."""
        return True

    def readinto(self, into):
        """Fills as much of `into` as has come; 0 at the end."""
        piece = self._rest or self._upload.read_body()
        count = min(len(piece), len(into))
        into[:count], self._rest = piece[:count], piece[count:]
        return count


def _environment(event):
    head, headers = event.head, event.context["headers"]
    host = headers.get("host", "localhost")
    name, _, port = host.partition(":")
    base = head.get("base_path", "")
    environment = {
        "REQUEST_METHOD": head["method"],
        "SCRIPT_NAME": unquote(base, "latin-1"),
        "PATH_INFO": unquote(head["path"][len(base) :], "latin-1"),
        "QUERY_STRING": head["query"],
        "CONTENT_LENGTH": str(len(event.body)),
        "SERVER_NAME": name,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": headers.get("x-forwarded-proto", "http"),
        "wsgi.input": io.BytesIO(bytes(event.body)),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for header, value in headers.items():
        key = header.upper().replace("-", "_")
        environment[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
    if event.upload is None:
        environment["CONTENT_LENGTH"] = str(len(event.body))
        return environment
    environment["wsgi.input"] = io.BufferedReader(_Input(event.upload), 64 << 10)
    environment["wsgi.input_terminated"] = True
    if "content-length" not in headers:
        del environment["CONTENT_LENGTH"]
    return environment


def call(application, event):
    """The answer as a handler's value."""
    begun, body = [], []

    def start_response(status, headers, exc_info=None):
        if begun and exc_info is None:
            raise RuntimeError("start_response was called twice")
        begun[:] = [(int(status.split(" ", 1)[0]), headers)]
        return body.append

    chunks = application(_environment(event), start_response)
    try:
        for chunk in chunks:
            body.append(chunk)
            if _is_streamed(event.stream, begun, chunks):
                _send(event.stream, begun[0], body)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    if not begun:
        raise RuntimeError("the application did not call start_response")
    if event.stream is not None and event.stream.is_begun:
        return None
    status, headers = begun[0]
    return http_answer(status, headers, b"".join(body), event.head["mode"])


def _is_streamed(stream, begun, chunks):
    """Whether pieces go out as they come: not those of an answer that is all there, or tells a length that can be held."""
    if stream is None or not begun or isinstance(chunks, (list, tuple)):
        return False
    return stream.is_begun or not stream.is_short(begun[0][1])


def _send(stream, answer, body):
    if not stream.is_begun:
        stream.begin(answer[0], plain_headers(answer[1]))
    while body:
        stream.write(body.pop(0))
