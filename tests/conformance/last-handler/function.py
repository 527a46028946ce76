def handler(data, context):
    return {"which": "first"}


def handler(data, context):
    return {"which": "second", "name": data["name"]}
