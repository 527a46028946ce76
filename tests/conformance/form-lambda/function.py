import json


def lambda_handler(event, context):
    if not event.get("name"):
        raise ValueError("name is missing")
    left = context.get_remaining_time_in_millis()
    return {
        "statusCode": 201,
        "headers": {"X-Request": "has an id" if len(context.aws_request_id) > 10 else ""},
        "body": json.dumps({
            "message": "Hello, %s!" % event["name"],
            "inTime": 0 < left <= 30000,
            "memory": int(context.memory_limit_in_mb),
            "isNamed": context.function_name.startswith("form-lambda"),
            "version": context.function_version,
        }),
    }
