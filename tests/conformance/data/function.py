def handler(data, context):
    return {"data": data}
