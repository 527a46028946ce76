def hander(data, context):
    return 1
