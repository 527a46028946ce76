def handler(data, context):
    return {
        "text": {"statusCode": 201, "headers": {"Content-Type": "text/plain", "X-Mine": "yes"}, "body": "made"},
        "json": {"statusCode": 422, "body": {"problem": "name"}},
        "redirect": {"statusCode": 302, "headers": {"Location": "/elsewhere"}, "body": ""},
        "bad": {"statusCode": 99, "body": "no such status"},
    }[data["kind"]]
