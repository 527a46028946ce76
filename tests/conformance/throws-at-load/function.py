def handler(data, context):
    return 1


raise RuntimeError("not today")
