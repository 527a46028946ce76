def handler(data, context):
    print("grüße 世界 🚀")
    return {"text": data["text"], "points": len(data["text"]), "data": data}
