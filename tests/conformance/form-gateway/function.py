import json


def lambda_handler(event, context):
    name = (event["queryStringParameters"] or {}).get("name", "nobody")
    body = json.loads(event["body"]) if event["body"] else None
    method = event["requestContext"]["http"]["method"]
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"X-Many": ["1", "2"]},
        "cookies": ["a=1; Secure", "b=2"],
        "body": json.dumps(
            {"name": name, "body": body, "method": method, "path": event["rawPath"], "isBytes": event["isBase64Encoded"]}
        ),
    }
