import os
import platform


def handler(data, context):
    name = data.get("name", "world") if isinstance(data, dict) else data

    # An object with a status is an HTTP response; a header's name may be written as one likes.
    if not isinstance(name, str):
        return {
            "statusCode": 400,
            "headers": {"Content-Type": "application/json"},
            "body": {"error": "name must be a text"},
        }

    # What is printed becomes the invocation's logs: cloudbox logs hello-python
    print(f"{context['method']} {context['path']} greets {name}")

    # Any other value is sent as JSON.
    return {
        "greeting": f"{os.environ['GREETING']}, {name}!",
        "from": f"Python {platform.python_version()}",
        "invocation": context["invocationId"],
    }
