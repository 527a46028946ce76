def handler(data, context):
    print("before")
    if data["fail"]:
        raise ValueError("the secret is 42")
    return "fine"
