"""What the shim loads and calls before it has any code of an author's."""


def handler(data, context):
    return {"statusCode": 200, "headers": {"x-name": data["name"]}, "body": {"at": context["path"]}}
