def handler(data, context):
    return {"o": object()} if data["bad"] else "fine"
