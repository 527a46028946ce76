"""From a handler's value, or what it raised, to the frame that answers."""
import json
import re

_MESSAGE_LIMIT = 8 << 10
_STACK_LIMIT = 64 << 10
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_BAD_VALUE = re.compile("[\0-\x08\x0a-\x1f\x7f]")
_JSON = [["content-type", "application/json"]]
_TEXT = [["content-type", "text/plain; charset=utf-8"]]
_BYTES = [["content-type", "application/octet-stream"]]

# Private copies: user code may replace json.dumps.
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Unfit(Exception):
    """A result that can't be represented."""

    def __init__(self, message, kind="invalid_response"):
        super().__init__(message)
        self.kind = kind


def dumps(value):
    """JSON as bytes, for headers: half a surrogate pair would not be a string for the service."""
    return _encode(value).encode("utf-8", "replace")


def json_of(value):
    """A handler's value as JSON."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit("the result can't be sent as JSON: %s" % message_of(error)) from None
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _encode_ascii(value).encode("ascii")


def _header_values(name, value):
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if one is None:
            continue
        if isinstance(one, bool):
            one = "true" if one else "false"
        if not isinstance(one, (str, int, float)):
            raise Unfit("header %s of the response must be a string, a number or a list of those" % name)
        text = str(one)
        if _BAD_VALUE.search(text):
            raise Unfit("header %s of the response has a line break or another control character" % name)
        yield text


def _all_headers(answer):
    """The headers of an answer; those of Lambda's `multiValueHeaders` come in place of `headers`' own, `cookies` beside."""
    headers, many, cookies = answer.get("headers"), answer.get("multiValueHeaders"), answer.get("cookies")
    is_plain = not isinstance(many, dict) and not isinstance(cookies, list)
    if is_plain or not isinstance(headers, (dict, type(None))):
        return headers
    many = many if isinstance(many, dict) else {}
    replaced = {str(name).lower() for name in many}
    merged = {name: value for name, value in (headers or {}).items() if str(name).lower() not in replaced}
    merged.update(many)
    if isinstance(cookies, list):
        name = next((name for name in merged if str(name).lower() == "set-cookie"), "set-cookie")
        earlier = merged.get(name, [])
        merged[name] = (list(earlier) if isinstance(earlier, (list, tuple)) else [earlier]) + cookies
    return merged


def _headers_of(headers, fallback):
    if headers is None:
        return fallback
    if not isinstance(headers, dict):
        raise Unfit("headers of the response must be a dict")
    pairs = []
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.match(name):
            raise Unfit("the response has an impossible header name: %r" % (name,))
        pairs.extend([name.lower(), text] for text in _header_values(name, value))
    if not any(name == "content-type" for name, _ in pairs):
        pairs.extend(fallback)
    return pairs


def _body_of(answer):
    body = answer.get("body")
    if body is None:
        return b"", []
    if isinstance(body, str):
        if answer.get("isBase64Encoded") is not True:
            return body.encode("utf-8", "replace"), _TEXT
        import base64

        try:
            return base64.b64decode(body), _TEXT
        except ValueError as error:
            raise Unfit("the body of the response is not base64: %s" % error) from None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), _BYTES
    return json_of(body), _JSON


def _check_status(status):
    if not 100 <= status <= 599:
        raise Unfit("statusCode %d of the response is not between 100 and 599" % status)


def has_pieces(value):
    """Whether a handler's value is an HTTP answer whose body comes in pieces."""
    if not isinstance(value, dict) or not isinstance(value.get("statusCode"), int):
        return False
    kind = type(value.get("body"))
    return hasattr(kind, "__next__") or hasattr(kind, "__anext__")


def stream_head(value, is_text):
    """`(status, headers)` of an answer whose body comes in pieces."""
    _check_status(value["statusCode"])
    return value["statusCode"], _headers_of(_all_headers(value), _TEXT if is_text else _BYTES)


def _http(value):
    """`(status, headers, body)` of a handler's value in HTTP mode."""
    status = value.get("statusCode") if isinstance(value, dict) else None
    if not isinstance(status, int) or isinstance(status, bool):
        return 200, _JSON, json_of(value)
    _check_status(status)
    body, fallback = _body_of(value)
    return status, _headers_of(_all_headers(value), fallback), body


def result(head, value):
    """`(header, body)` of the frame for what the handler returned."""
    status, headers, body = (200, [], json_of(value)) if head["mode"] == "raw" else _http(value)
    limit = head["max_response_bytes"]
    if len(body) > limit:
        raise Unfit("the result has %d bytes, the limit is %d" % (len(body), limit), "response_too_large")
    return dumps({"nonce": head["nonce"], "status": status, "headers": headers}), body


def loaded_header(nonce, style, is_forked, concurrency=1):
    """The header that says that the code is loaded, whether each call has a process forked for it, and how many there may be at once."""
    head = {"nonce": nonce, "handler_style": style}
    if is_forked:
        head["is_forked"] = True
    if concurrency > 1:
        head["concurrency"] = concurrency
    return dumps(head)


def failure_header(nonce, kind, message, stack):
    """The header of a failure of `kind`."""
    return dumps({"nonce": nonce, "kind": kind, "message": message[:_MESSAGE_LIMIT], "stack": stack[:_STACK_LIMIT]})


def message_of(error):
    """`ValueError: Name is required`."""
    try:
        text = str(error)
    except Exception:
        text = "(its text can't be shown)"
    name = type(error).__name__
    return "%s: %s" % (name, text) if text else name


def _stack_of(error, shim_dirs):
    """The traceback from the author's first line on; the shim's own files are in one of `shim_dirs`."""
    import traceback

    try:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename.startswith(shim_dirs):
            frames = frames.tb_next
        return "".join(traceback.format_exception(type(error), error, frames, limit=200))
    except Exception:
        return ""


def error_header(nonce, error, shim_dirs):
    """The header of a failure for what the code raised."""
    return failure_header(nonce, "error", message_of(error), _stack_of(error, shim_dirs))


def log_header(nonce, level, message, fields):
    """The header of a structured log line; fields that can't be sent are shown as text."""
    if fields is None:
        fields = {}
    elif not isinstance(fields, dict):
        fields = {"value": fields}
    head = {"nonce": nonce, "level": level, "message": str(message)[:_STACK_LIMIT], "fields": fields}
    try:
        header = dumps(head)
    except (TypeError, ValueError, RecursionError):
        head["fields"] = {"value": repr(fields)[:_MESSAGE_LIMIT]}
        header = dumps(head)
    if len(header) > 4 * _STACK_LIMIT:
        head["fields"] = {"truncated": True}
        header = dumps(head)
    return header
