def handler(data, context):
    return "x" * (data["mb"] << 20)
