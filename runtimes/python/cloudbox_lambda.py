"""The event of AWS Lambda's function URLs and API Gateway, for handlers that read it so."""
import base64

# What a handler says that reads such an event.
WORDS = frozenset((
    "requestContext", "rawPath", "rawQueryString", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters",
    "httpMethod",
))
# What a value has that `execute` brings and that is such an event already, as `aws lambda invoke` has it.
_MARKS = ("requestContext", "httpMethod", "rawPath", "queryStringParameters", "body")


def _lists(values):
    return {name: value if isinstance(value, list) else [value] for name, value in values.items()}


def _gateway_event(head, body, context):
    headers, query = context["headers"], context["query"]
    path = head["path"][len(head.get("base_path", "")) :] or "/"
    try:
        text, is_bytes = body.decode("utf-8"), False
    except UnicodeDecodeError:
        text, is_bytes = base64.b64encode(body).decode("ascii"), True
    joined = {name: ",".join(value) if isinstance(value, list) else value for name, value in query.items()}
    address = headers.get("x-forwarded-for", "127.0.0.1").split(",")[0].strip()
    agent = headers.get("user-agent")
    http = {"method": head["method"], "path": path, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": agent}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": head["query"],
        "headers": headers,
        "queryStringParameters": joined or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": str(context["function_id"]),
            "stage": "$default",
            "routeKey": "$default",
            "requestId": context["invocation_id"],
            "domainName": headers.get("host"),
            "time": context["timestamp"],
            "httpMethod": head["method"],
            "path": path,
            "http": http,
            "identity": {"sourceIp": address, "userAgent": agent},
        },
        "httpMethod": head["method"],
        "path": path,
        "resource": "/{proxy+}",
        "multiValueHeaders": _lists(headers),
        "multiValueQueryStringParameters": _lists(query) or None,
        "body": text or None,
        "isBase64Encoded": is_bytes,
    }


def call(handler, event):
    """`handler(event, context)` with such an event."""
    data = event.data
    if event.head["mode"] != "raw" or not isinstance(data, dict) or not any(mark in data for mark in _MARKS):
        data = _gateway_event(event.head, bytes(event.body), event.context)
        if "cookie" in event.context["headers"]:
            data["cookies"] = event.context["headers"]["cookie"].split("; ")
    return handler(data, event.context)
