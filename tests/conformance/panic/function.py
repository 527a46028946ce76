def handler(data, context):
    return {"there": "value"}[data["key"]]
